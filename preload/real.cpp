// Fills the table of real functions. See real.h.
#include "preload/real.h"

#include <dlfcn.h>

#include <cerrno>

#pragma weak dlvsym  // musl has none, and only one version of each symbol

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

// Version `first` of a symbol, where this libc has it; arm64 has but one of each.
template <class Function>
void find_version(Function& into, const char* name, const char* version) {
  void* found = ::dlvsym != nullptr ? ::dlvsym(RTLD_NEXT, name, version) : nullptr;
  if (found != nullptr) {
    into = reinterpret_cast<Function>(found);
  }
}

// Symbols of which glibc on x86-64 has an old version that behaves otherwise, and those that exist
// only as old versions since 2.33, which dlsym does not see.
void find_versions() {
#if defined(__x86_64__)
  constexpr const char* kConditions = "GLIBC_2.3.2";
  constexpr const char* kOld = "GLIBC_2.2.5";
  constexpr const char* kOldAt = "GLIBC_2.4";
  find_version(g_real.pthread_cond_wait, "pthread_cond_wait", kConditions);
  find_version(g_real.pthread_cond_timedwait, "pthread_cond_timedwait", kConditions);
  find_version(g_real.posix_spawn, "posix_spawn", "GLIBC_2.15");
  find_version(g_real.posix_spawnp, "posix_spawnp", "GLIBC_2.15");
  find_version(g_real.realpath, "realpath", "GLIBC_2.3");
#else
  constexpr const char* kOld = "GLIBC_2.17";
  constexpr const char* kOldAt = kOld;
#endif
  find_version(g_real.__xstat, "__xstat", kOld);
  find_version(g_real.__xstat64, "__xstat64", kOld);
  find_version(g_real.__lxstat, "__lxstat", kOld);
  find_version(g_real.__lxstat64, "__lxstat64", kOld);
  find_version(g_real.__fxstat, "__fxstat", kOld);
  find_version(g_real.__fxstat64, "__fxstat64", kOld);
  find_version(g_real.__fxstatat, "__fxstatat", kOldAt);
  find_version(g_real.__fxstatat64, "__fxstatat64", kOldAt);
}

}  // namespace

void* find_late(const char* symbol) {
  if (!g_real.ready) {
    return nullptr;
  }
  const int saved = errno;
  void* found = ::dlsym(RTLD_NEXT, symbol);
  static constexpr const char* kLibraries[] = {"libpthread.so.0", "libresolv.so.2"};
  for (const char* library : kLibraries) {
    void* handle = found == nullptr ? ::dlopen(library, RTLD_LAZY | RTLD_NOLOAD) : nullptr;
    found = handle != nullptr ? ::dlsym(handle, symbol) : found;
  }
  errno = saved;
  return found;
}

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
  find_versions();
  find(g_real.fileno, RTLD_NEXT, "fileno");
  find(g_real.pthread_mutex_trylock, RTLD_DEFAULT, "pthread_mutex_trylock");
  find(g_real.pthread_rwlock_tryrdlock, RTLD_DEFAULT, "pthread_rwlock_tryrdlock");
  find(g_real.pthread_rwlock_trywrlock, RTLD_DEFAULT, "pthread_rwlock_trywrlock");
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
