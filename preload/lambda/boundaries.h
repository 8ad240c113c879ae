// What is measured and done at the boundaries of a process's life under the Runtime API: the end of
// init, the end of an invocation. How they are recognised stands in runtime_api.h.
//
// Each makes two system calls, getrusage(2) and a futex(2) that wakes the companion: at moments
// when the runtime itself is about to wait for the network. With LAMPREY_FLUSH=batch the companion
// sleeps on; it is woken by a utimensat(2) about every 32nd time. Where 96 invocations have ended
// that it has not told of, the thread that asks for the next one waits for it, up to 50 ms. No
// function here allocates or locks.
#pragma once

#include <cstdint>

namespace lamprey::preload::lambda::boundaries {

// What LAMPREY_FLUSH says; a bad value is reported by the companion.
bool are_reported_in_batches(const char* value);

void init_ended();
// `sequence`: of the invocation that is known to have ended, 0: the writer finds it (mark_end).
void invocation_ended(std::uint64_t sequence);

// CPU time of a thread of this process in ns; 0: not to be had.
std::uint64_t thread_cpu_ns(std::int32_t tid);

}  // namespace lamprey::preload::lambda::boundaries
