// Node waits for everything in its event loop, where none of the program's functions is on the
// stack any more. What it waits for was asked for before, by a function that handed work to libuv's
// pool (a name to look up, a file to read) or made a call that has a stack. The last such stack of
// the main thread is kept: Header::last_program_stack.
//
// libuv signals a condition for each piece of work while a thread of its pool is idle. Cost: a load
// and a compare in processes without JavaScript; else a walk, once in 250 us.
#pragma once

#include <cstdint>

#include "preload/stack/reading/frames.h"
#include "recording/counting.h"

namespace lamprey::preload::stack::submissions {

[[gnu::visibility("hidden")]] extern std::uint32_t g_on;  // JavaScript runs in this process

void signals_slow();

// Before a condition is signalled.
inline void signals() {
  if (recording::load(g_on) != 0) [[unlikely]] {
    signals_slow();
  }
}

// A stack of the calling thread was kept.
void kept(std::uint32_t stack, const Words& words);

}  // namespace lamprey::preload::stack::submissions
