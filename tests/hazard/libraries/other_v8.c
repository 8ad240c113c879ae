// A program that says it is a V8 of some version, and exports nothing else of one.
#include <stdlib.h>

int major __asm__("_ZN2v88internal7Version6major_E") = MAJOR;
int minor __asm__("_ZN2v88internal7Version6minor_E") = MINOR;
int build __asm__("_ZN2v88internal7Version6build_E") = BUILD;

int main(void) {
  for (int i = 0; i < 1000; ++i) {
    free(malloc(1 << 20));
  }
  return 0;
}
