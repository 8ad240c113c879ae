// Locks: a lock that is free is taken by the real try function and not counted; only a call that
// has to wait is timed. For a free lock that costs one call instead of one.
//
// What a try function may answer beside 0 and EBUSY (EOWNERDEAD: taken, the owner died; EAGAIN,
// ENOTRECOVERABLE, EINVAL) is what the lock function would. A lock that the caller itself holds is
// EBUSY, and the lock function then says EDEADLK, or waits for ever, as it should.
#include "preload/hooks/waits.h"

namespace lamprey::preload::hooks {
namespace {

// Not inlined into the hooks: each would save and restore its registers even for a free lock.
template <Call kCall, class Policy, class Lock, class... Arguments>
[[gnu::noinline]] int wait_for(const char* symbol, Lock& lock_function, void* lock,
                               Arguments... arguments) {
  return intercept<kCall>(symbol, lock_function, Policy(lock), lock, arguments...);
}

template <Call kCall, class Policy, class Try, class Lock, class... Arguments>
inline int lock_with(const char* symbol, Try& try_lock, Lock& lock_function, void* lock,
                     Arguments... arguments) {
  tripwire::check(symbol);
  if (recording_here() && try_lock != nullptr) [[likely]] {
    const int result = try_lock(lock);
    if (result != EBUSY) [[likely]] {
      return result;
    }
  }
  return wait_for<kCall, Policy>(symbol, lock_function, lock, arguments...);
}

}  // namespace
}  // namespace lamprey::preload::hooks

// Hooks only, from here on.
using namespace lamprey::preload;         // NOLINT(google-build-using-namespace)
using namespace lamprey::preload::hooks;  // NOLINT(google-build-using-namespace)

#define LAMPREY_LOCK(row, policy, try_name, symbol, parameters, ...)                               \
  extern "C" __attribute__((visibility("default"))) int hook_##symbol parameters asm(#symbol);     \
  int hook_##symbol parameters {                                                                   \
    return lock_with<Call::k_##row, policy>(#symbol, g_real.try_name, g_real.symbol, __VA_ARGS__); \
  }
LAMPREY_LOCK(pthread_mutex_lock, LocksMutex, pthread_mutex_trylock, pthread_mutex_lock,
             (void* lock), lock)
LAMPREY_LOCK(pthread_mutex_lock, LocksMutex, pthread_mutex_trylock, pthread_mutex_timedlock,
             (void* lock, const timespec* until), lock, until)
LAMPREY_LOCK(pthread_mutex_lock, LocksMutex, pthread_mutex_trylock, pthread_mutex_clocklock,
             (void* lock, clockid_t clock, const timespec* until), lock, clock, until)
LAMPREY_LOCK(pthread_rwlock_rdlock, Locks, pthread_rwlock_tryrdlock, pthread_rwlock_rdlock,
             (void* lock), lock)
LAMPREY_LOCK(pthread_rwlock_rdlock, Locks, pthread_rwlock_tryrdlock, pthread_rwlock_timedrdlock,
             (void* lock, const timespec* until), lock, until)
LAMPREY_LOCK(pthread_rwlock_rdlock, Locks, pthread_rwlock_tryrdlock, pthread_rwlock_clockrdlock,
             (void* lock, clockid_t clock, const timespec* until), lock, clock, until)
LAMPREY_LOCK(pthread_rwlock_wrlock, Locks, pthread_rwlock_trywrlock, pthread_rwlock_wrlock,
             (void* lock), lock)
LAMPREY_LOCK(pthread_rwlock_wrlock, Locks, pthread_rwlock_trywrlock, pthread_rwlock_timedwrlock,
             (void* lock, const timespec* until), lock, until)
LAMPREY_LOCK(pthread_rwlock_wrlock, Locks, pthread_rwlock_trywrlock, pthread_rwlock_clockwrlock,
             (void* lock, clockid_t clock, const timespec* until), lock, clock, until)
#undef LAMPREY_LOCK
