// Who ends waits on libc's conditions and semaphores: a thread that waits for a future, whose
// worker waits for a host, waits for the host. So does who waits for the JVM's thread that is in
// waitpid(2) for a child of Process.waitFor().
//
// A signalled word is remembered with the thread that signalled it, and of each thread when it
// waited of late, and for what. Who wakes up looks both up: where the other thread was in waits of
// one kind for at least half of the time, its own wait was one of that kind. Computing is no wait,
// and leaves a wait for a lock what it is. Longer waits also note by whom they were ended, for the
// companion, which follows the waits that no one will end any more.
//
// A semaphore that is always posted by who took it last is a lock (Python's threading.Lock is one):
// its holder is known, and a holder that sleeps makes others wait for a lock. One that others post
// hands something over. Mutexes are locks: a thread that reads from the network while it holds
// one makes others wait for it. Futexes that the program uses itself are woken.h's.
//
// No lock; signal-safe. Cost of a signal on a condition on which nobody waits: two loads and a
// comparison; of taking or posting a semaphore: a look into a table.
#pragma once

#include <cstdint>

#include "preload/io/descriptors.h"

namespace lamprey::preload::hooks::wakers {

using io::Spent;
using recording::CallClass;

// The calling thread's wait, which took long, was spent on that. After it is accounted.
void note_wait(const recording::ThreadSlot& slot, CallClass spent_on, const Spent& spent);

// Before the calling thread ends a wait on `word`: a woken thread may look at once.
void about_to_end(const void* word);

// What a wait on a condition that was signalled was spent on; `by_name`: nothing is known.
CallClass class_of_condition(const void* condition, const Spent& spent, CallClass by_name);

// The calling thread has taken a semaphore, without a wait or after one.
void took(const void* semaphore);
// Before it posts one.
void about_to_post(const void* semaphore);
// The other thread that took it last, where that may be a lock's holder; -1: there is none.
std::int32_t holder_of(const void* semaphore);
// After a wait that took long, before took().
CallClass class_of_semaphore(const void* semaphore, const Spent& spent, CallClass by_name);

// glibc counts who waits on a condition in steps of eight: in its tenth word up to 2.40, in its
// eighth since. What else may stand in either only makes us remember a signal for nothing.
inline bool may_have_waiters(const void* condition) {
  constexpr std::size_t kPlaces[] = {36, 28};
  std::uint32_t any = 0;
  for (const std::size_t place : kPlaces) {
    std::uint32_t word = 0;
    __builtin_memcpy(&word, static_cast<const char*>(condition) + place, sizeof(word));
    any |= word >> 3U;
  }
  return any != 0;
}

}  // namespace lamprey::preload::hooks::wakers
