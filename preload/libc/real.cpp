// Fills the table of real functions. See real.h.
#include "preload/libc/real.h"

#include <dlfcn.h>

#include <cerrno>

#include "preload/base/text.h"

#pragma weak dlvsym  // musl has none, and only one version of each symbol

namespace lamprey::preload {
inline namespace libc {

constinit RealFunctions g_real = {};

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

// An arena may bring malloc, free, calloc and realloc alone. libc's malloc_usable_size, asked about
// one of its blocks, would take what stands before the block for a header of its own, and crash.
void judge_allocator() {
  int (*address_info)(const void*, Dl_info*) = nullptr;
  find(address_info, RTLD_DEFAULT, "dladdr");
  const auto module_of = [address_info](auto function) -> const void* {
    Dl_info info = {};
    const bool known = address_info != nullptr && function != nullptr &&
                       address_info(reinterpret_cast<const void*>(function), &info) != 0;
    return known ? info.dli_fbase : nullptr;
  };
  const void* provider = module_of(g_real.malloc);
  // mimalloc has a __libc_malloc too, tcmalloc an sbrk; getauxval is libc's alone.
  g_real.foreign_malloc = provider != module_of(g_real.getauxval);
  if (provider == nullptr || provider != module_of(g_real.malloc_usable_size)) {
    g_real.malloc_usable_size = nullptr;
  }
}

// Symbols of which glibc on x86-64 has an old version that behaves otherwise, and those that exist
// only as old versions since 2.33 and 2.34, which dlsym does not see. arm64 has but one of each.
struct Versioned {
  const char* name;
  const char* version;
};
#if defined(__x86_64__)
constexpr const char* kOld = "GLIBC_2.2.5";
constexpr const char* kOldAt = "GLIBC_2.4";
#else
constexpr const char* kOld = "GLIBC_2.17";
constexpr const char* kOldAt = kOld;
#endif
constexpr Versioned kVersions[] = {
#if defined(__x86_64__)
    {"pthread_cond_wait", "GLIBC_2.3.2"},
    {"pthread_cond_timedwait", "GLIBC_2.3.2"},
    {"pthread_cond_signal", "GLIBC_2.3.2"},
    {"pthread_cond_broadcast", "GLIBC_2.3.2"},
    {"posix_spawn", "GLIBC_2.15"},
    {"posix_spawnp", "GLIBC_2.15"},
    {"realpath", "GLIBC_2.3"},
#endif
    {"__xstat", kOld},
    {"__xstat64", kOld},
    {"__lxstat", kOld},
    {"__lxstat64", kOld},
    {"__fxstat", kOld},
    {"__fxstat64", kOld},
    {"__fxstatat", kOldAt},
    {"__fxstatat64", kOldAt},
    {"__res_query", kOld},
    {"__res_search", kOld},
    {"__res_nquery", kOld},
    {"__res_nsearch", kOld},
};

const char* version_of(const char* name) {
  for (const Versioned& entry : kVersions) {
    if (equal(entry.name, name)) {
      return entry.version;
    }
  }
  return nullptr;
}

// Never a lookup without a version where there is one with: a lookup that fails allocates its
// error text, which whoever counts allocations beside us would see.
void* find_hooked(const char* name) {
  const char* version = ::dlvsym != nullptr ? version_of(name) : nullptr;
  void* found = version != nullptr ? ::dlvsym(RTLD_NEXT, name, version) : nullptr;
  return found != nullptr ? found : ::dlsym(RTLD_NEXT, name);
}

template <class Function>
void find_hooked(Function& into, const char* name) {
  into = reinterpret_cast<Function>(find_hooked(name));
}

}  // namespace

void* find_one(const char* symbol) {
  const int saved = errno;
  void* found = find_hooked(symbol);
  if (!g_real.ready) {
    errno = saved;
    return found;
  }
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
  find_hooked(g_real.symbol, #symbol);
#define IRREGULAR(result, symbol, parameters) find_hooked(g_real.symbol, #symbol);
#define ALIAS(result, symbol, parameters)
#include "preload/libc/symbols.def"
#undef HOOK
#undef IRREGULAR
#undef ALIAS
  find(g_real.fileno, RTLD_NEXT, "fileno");
  find(g_real.pthread_mutex_trylock, RTLD_DEFAULT, "pthread_mutex_trylock");
  find(g_real.pthread_rwlock_tryrdlock, RTLD_DEFAULT, "pthread_rwlock_tryrdlock");
  find(g_real.pthread_rwlock_trywrlock, RTLD_DEFAULT, "pthread_rwlock_trywrlock");
  // By name, not by linking: on glibc before 2.34 they are libpthread's, and a library that
  // needs libpthread would turn every single-threaded program into one with locks that lock.
  find(g_real.getauxval, RTLD_DEFAULT, "getauxval");
  find(g_real.malloc_usable_size, RTLD_NEXT, "malloc_usable_size");
  judge_allocator();  // before the next lookup that may fail, and allocate
  find(g_real.pthread_key_create, RTLD_DEFAULT, "pthread_key_create");
  find(g_real.pthread_setspecific, RTLD_DEFAULT, "pthread_setspecific");
  find(g_real.gnu_get_libc_version, RTLD_DEFAULT, "gnu_get_libc_version");
  find(g_real.libc_malloc, RTLD_DEFAULT, "__libc_malloc");
  find(g_real.default_malloc, RTLD_DEFAULT, "malloc");
  g_real.ready = true;
  busy = false;
}

BesideMalloc find_beside_malloc() {
  BesideMalloc found = {};
  find(found.mallocx, RTLD_DEFAULT, "mallocx");
  find(found.operator_new, RTLD_DEFAULT, "_ZnwmRKSt9nothrow_t");
  find(found.operator_delete, RTLD_DEFAULT, "_ZdlPv");
  return found;
}

}  // namespace libc
}  // namespace lamprey::preload
