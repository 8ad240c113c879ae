// Fills the table of real functions. See real.h.
#include "preload/real.h"

#include <dlfcn.h>

namespace lamprey::preload {

RealFunctions g_real = {};

namespace {

template <class Function>
void find(Function& into, void* where, const char* name) {
  into = reinterpret_cast<Function>(::dlsym(where, name));
}

// A name that is not found leaves a text behind that the next dlsym frees (glibc, dlfcn/dlerror.c),
// before it forgets it. Another preloaded library that stands before us and looks up the real free
// at its first use would then call dlsym, which frees the text, without end. So its first use is
// this one, while there is no text.
void wake_free() {
  void (*first)(void*) = nullptr;
  find(first, RTLD_DEFAULT, "free");
  if (first != nullptr) {
    first(nullptr);
  }
}

}  // namespace

void resolve_real_functions() {
  static bool busy = false;  // the process has one thread here: plain is enough
  if (g_real.ready || busy) {
    return;
  }
  busy = true;
  wake_free();
  // malloc first: everything after it may allocate.
  find(g_real.malloc, RTLD_NEXT, "malloc");
  find(g_real.free, RTLD_NEXT, "free");
#define HOOK(row, result, symbol, parameters, arguments, policy) \
  find(g_real.symbol, RTLD_NEXT, #symbol);
#define IRREGULAR(result, symbol, parameters) find(g_real.symbol, RTLD_NEXT, #symbol);
#include "preload/symbols.def"
#undef HOOK
#undef IRREGULAR
  find(g_real.malloc_usable_size, RTLD_NEXT, "malloc_usable_size");
  // By name, not by linking: on glibc before 2.34 they are libpthread's, and a library that
  // needs libpthread would turn every single-threaded program into one with locks that lock.
  find(g_real.getauxval, RTLD_DEFAULT, "getauxval");
  find(g_real.pthread_key_create, RTLD_DEFAULT, "pthread_key_create");
  find(g_real.pthread_setspecific, RTLD_DEFAULT, "pthread_setspecific");
  find(g_real.gnu_get_libc_version, RTLD_DEFAULT, "gnu_get_libc_version");
  find(g_real.libc_malloc, RTLD_DEFAULT, "__libc_malloc");
  find(g_real.default_malloc, RTLD_DEFAULT, "malloc");
  g_real.ready = true;
  busy = false;
}

}  // namespace lamprey::preload
