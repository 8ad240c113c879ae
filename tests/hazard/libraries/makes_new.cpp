// Makes and deletes so many blocks by operator new and as many by malloc.
//
//   makes_new BLOCKS
#include <cstdio>
#include <cstdlib>

int main(int, char** arguments) {
  const int blocks = std::atoi(arguments[1]);
  for (int i = 0; i < blocks; ++i) {
    int* volatile one = new int(i);
    delete one;
    void* volatile other = std::malloc(8);
    std::free(other);
  }
  std::puts("made");
  return 0;
}
