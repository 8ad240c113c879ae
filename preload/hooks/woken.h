// Who ends a wait on a futex(2) word, and what that thread had waited for itself: a worker of
// Rust's tokio that parks is no wait for a lock. The thread that wakes it has slept, or has waited
// for a host; the wait is charged as that. Where it has only computed, it stays a wait for a lock.
//
// Only for futex by syscall(2): libc's conditions and semaphores are wakers.h's. No lock;
// signal-safe.
#pragma once

#include <cstdint>

#include "preload/io/descriptors.h"

namespace lamprey::preload::hooks::woken {

using io::Spent;
using recording::CallClass;

// Before the calling thread wakes whoever waits on `word`: a woken thread may look at once.
void about_to_wake(std::uintptr_t word);
// It has woken somebody: what it waits for from here on is another's.
void has_woken();

// The class of a wait on `word` that was ended by another thread; `by_name`: nothing is known.
CallClass class_of(std::uintptr_t word, const Spent& spent, CallClass by_name);

}  // namespace lamprey::preload::hooks::woken
