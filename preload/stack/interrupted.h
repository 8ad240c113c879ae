// The machine frames of a healthy thread that a signal interrupted at any instruction: our own
// walker's where that finds the way (20 to 40 ns a frame), else libunwind's (2 us a frame).
//
// No lock, no allocation, no libc; errno is not touched. What another thread unmaps meanwhile may
// still fault.
#pragma once

#include "preload/stack/reading/frames.h"

namespace lamprey::preload::stack::interrupted {

// `context`: the ucontext_t that a handler with SA_SIGINFO is given. native.frames[0] is the
// interrupted frame, unless that is this library's or was not made yet.
void walk(const void* context, NativeFrames& native);

}  // namespace lamprey::preload::stack::interrupted
