// The functions that the hooks stand in front of: a table of pointers, one per row of
// symbols.def, filled once. No hook lives here.
//
// They come from dlsym(RTLD_NEXT): what would have been called without us, perhaps another
// preload's malloc. Where glibc has two versions of a symbol, dlsym before glibc 2.36 gives the
// oldest (BZ #14932): real.cpp asks for those by version.
#pragma once

#include <netdb.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <csignal>
#include <cstddef>
#include <ctime>

namespace lamprey::preload {
inline namespace libc {

struct RealFunctions {
#define HOOK(row, result, symbol, parameters, arguments, policy) result(*symbol) parameters;
#define IRREGULAR(result, symbol, parameters) result(*symbol) parameters;
#define ALIAS(result, symbol, parameters)
#include "preload/libc/symbols.def"
#undef HOOK
#undef IRREGULAR
#undef ALIAS
  std::size_t (*malloc_usable_size)(void*);  // called, never hooked; of malloc's module, or nullptr
  unsigned long (*getauxval)(unsigned long);
  int (*pthread_key_create)(unsigned*, void (*)(void*));
  int (*pthread_setspecific)(unsigned, const void*);
  const char* (*gnu_get_libc_version)();  // only asked whether it exists: musl has none
  int (*fileno)(void*);                   // the four: called, never hooked
  int (*pthread_mutex_trylock)(void*);
  int (*pthread_rwlock_tryrdlock)(void*);
  int (*pthread_rwlock_trywrlock)(void*);
  void* (*libc_malloc)(std::size_t);  // glibc's own, under the name that nobody interposes
  void* (*default_malloc)(
      std::size_t);     // what RTLD_DEFAULT finds: ours, unless the program has its own
  bool foreign_malloc;  // malloc is another module's than libc
  bool ready;
};

[[gnu::visibility("hidden")]] extern RealFunctions g_real;

// Fills the table. Called by the constructor, or by the first hook that runs before it (another
// library's constructor, the loader): then the process still has one thread. A call that comes in
// while the table is being filled (dlsym may allocate for an error message) finds `ready` false
// and is served by the bootstrap arena (allocation.cpp).
void resolve_real_functions();

// Whether `function`, an entry of g_real, can be called; looks all of them up if need be.
template <class Function>
inline bool available(Function& function) {
  if (function == nullptr) [[unlikely]] {
    resolve_real_functions();
  }
  return function != nullptr;
}

// What an allocator has beside malloc: operator new and delete, and jemalloc's mallocx. Looked up
// at attach, and only where malloc is foreign: where there is none, the lookup allocates its error
// text.
struct BesideMalloc {
  void* (*operator_new)(std::size_t, const void* nothrow);
  void (*operator_delete)(void*);
  void* (*mallocx)(std::size_t, int);
};
BesideMalloc find_beside_malloc();

// Looks for `symbol` alone: before the table is filled, and once more where it was not found then
// (before glibc 2.34 a program may load libpthread or libresolv long after us). errno stays.
void* find_one(const char* symbol);

// The same for the functions other than malloc's. They do not fill the table: jemalloc, preloaded
// before us, calls readlink while it holds the lock of its own start, and among all of the table
// there are names that this libc lacks; the text of that error is allocated, and waits for ever.
template <class Function>
inline bool available(Function& function, const char* symbol) {
  if (function == nullptr) [[unlikely]] {
    function = reinterpret_cast<Function>(find_one(symbol));
  }
  return function != nullptr;
}

}  // namespace libc
}  // namespace lamprey::preload
