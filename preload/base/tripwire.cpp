// Fires the tripwire, and in tripwire builds stands in front of libc's locks. See tripwire.h.
#if defined(LAMPREY_TRIPWIRE)
#include "preload/base/tripwire.h"

#include <dlfcn.h>
#include <pthread.h>

#include "preload/base/raw_syscall.h"
#include "preload/base/text.h"

namespace lamprey::preload {
inline namespace base {
namespace tripwire {

__thread __attribute__((tls_model("initial-exec"))) int g_inside = 0;

void fire(const char* function) {
  g_inside = 0;
  const char* parts[] = {"lamprey tripwire: a hook called ", function, "\n"};
  for (const char* part : parts) {
    raw_syscall(SYS_write, 2, pointer_argument(part), static_cast<long>(length_of(part)));
  }
  __builtin_trap();
}

namespace {
template <class Function>
Function next(Function& cache, const char* name) {
  if (cache == nullptr) {
    cache = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
  }
  return cache;
}
}  // namespace

// A signal handler of the program may interrupt our code and lock: such a handler is not
// async-signal-safe anyway (signal-safety(7)), and the tests that use the tripwire have none.
#define LAMPREY_GUARDED_LOCK(name, type)                                                       \
  extern "C" __attribute__((visibility("default"))) int guarded_##name(type* lock) asm(#name); \
  int guarded_##name(type* lock) {                                                             \
    check(#name);                                                                              \
    static int (*real)(type*) = nullptr;                                                       \
    return next(real, #name)(lock);                                                            \
  }
LAMPREY_GUARDED_LOCK(pthread_mutex_trylock, pthread_mutex_t)
LAMPREY_GUARDED_LOCK(pthread_spin_lock, pthread_spinlock_t)
#undef LAMPREY_GUARDED_LOCK

}  // namespace tripwire
}  // namespace base
}  // namespace lamprey::preload
#endif
