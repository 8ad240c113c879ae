// The frames of JavaScript in a stack: what a walk found, made into what the program's author
// wrote. Native frames that JavaScript called stay inside its frames, those that called it outside
// of them; what V8 puts between its own frames is left out.
//
// Cost: 25 to 30 ns a frame of JavaScript over the walk, and ~100 ns for asking V8 whether it
// collects garbage; ~3 us for a function seen first, with its name, file and line. No allocation,
// lock or libc; no system call but page_probe.h's. Any thread.
#pragma once

#include "preload/stack/reading/frames.h"
#include "preload/stack/v8/runtime.h"

namespace lamprey::preload::stack::v8 {

// Appends the stack that `native` stands for. True: it may be recalled by its machine words alone.
// Functions of JavaScript may not: all that are interpreted return to the same address.
bool merge(const NativeFrames& native, Words& words);

// In a forked child that gets a recording of its own.
void attach_child();

}  // namespace lamprey::preload::stack::v8
