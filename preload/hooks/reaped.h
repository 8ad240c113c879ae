// Waits for a child that one thread does for another: the JVM has a thread of its own in waitpid(2)
// for each process, and whoever called Process.waitFor() waits for that thread. A condition that is
// signalled right after such a wait ends a wait for the child.
//
// (Other waits are not handed on: a thread that reads from the network while it holds a lock makes
// others wait for the lock.)
#pragma once

#include "preload/io/descriptors.h"

namespace lamprey::preload::hooks::reaped {

using io::Spent;

// The calling thread's last wait for a child; none: none that matters any more.
[[gnu::visibility("hidden")]] extern __thread __attribute__((tls_model("initial-exec")))
io::LastWait t_last;

// The calling thread has waited for a child, which ended.
inline void note(const Spent& spent) {
  t_last = {recording::CallClass::kChild, spent.ticks, spent.end};
}

void signals_slow(const void* condition);

// Before a condition is signalled.
inline void signals(const void* condition) {
  if (t_last.is_any()) [[unlikely]] {
    signals_slow(condition);
  }
}

// Whether a wait on a condition that was signalled was for a child.
bool was_for_child(const void* condition, const Spent& spent);

}  // namespace lamprey::preload::hooks::reaped
