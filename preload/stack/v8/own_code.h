// Which functions of JavaScript are the program's own: neither Node's, nor of a package, nor of the
// client of the Runtime API. Told by a function's file when it is first met; a bit for each.
//
// No allocation, lock, libc; any thread, any signal handler.
#pragma once

#include <cstdint>

#include "preload/stack/reading/frames.h"
#include "preload/stack/reading/functions.h"

namespace lamprey::preload::stack::v8::own_code {

void note(std::uint32_t function, functions::Text file);

// Whether a frame of a stack is of such a function. ~1 ns a frame.
bool is_in(const Words& words);

// In a forked child that gets a recording of its own.
void forget_all();

}  // namespace lamprey::preload::stack::v8::own_code
