// Loads and unloads the library named, a few times, and asks for symbols that are not there:
// dlopen, dlclose and dlerror allocate inside libc and call malloc through its symbol.
#include <dlfcn.h>
#include <stdio.h>

int main(int count, char** arguments) {
  for (int i = 0; i < 5; ++i) {
    void* library = dlopen(count > 1 ? arguments[1] : "", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
      fprintf(stderr, "%s\n", dlerror());
      return 1;
    }
    if (dlsym(library, "no_such_symbol") != NULL || dlerror() == NULL) {
      return 1;
    }
    if (dlopen("/nonexistent/library.so", RTLD_NOW) != NULL || dlerror() == NULL) {
      return 1;
    }
    dlclose(library);
  }
  return 0;
}
