// Who first asked for a host, or first opened a file: the stack is kept with the target. In Node,
// which does both on a later turn of its loop or on other threads, also what the program did last.
#pragma once

#include "preload/process/thread.h"
#include "preload/stack/stacks.h"

namespace lamprey::preload::hooks {

// `target_plus_one`: index in Target[] + 1; 0: none. After the first time it costs two comparisons.
// The first connect says more than a lookup before it, which Node makes on a thread of its pool.
inline void note_first_use(std::uint32_t target_plus_one, bool connect = false) {
  if (target_plus_one == 0 || target_plus_one > recording::kTargets) {
    return;
  }
  recording::Target& target = g_writer.target_at(target_plus_one - 1);
  if (recording::load(target.from) == 0 || (connect && recording::load(target.totals.starts) == 1))
      [[unlikely]] {
    const std::uint32_t stack = stack::capture();
    recording::store(target.after, recording::load(g_writer.header().last_program_stack));
    recording::store(target.from, stack != 0 ? stack : recording::kFromNobody);
  }
}

}  // namespace lamprey::preload::hooks
