// Keeps the calling thread's stack in the recording, each distinct stack once.
//
// Cost: ~30 ns where the thread took the same stack lately (recent_stacks.h); else one walk
// (unwind.h) and ~20 ns for finding it in the table. No allocation, lock, system call or
// descriptor; errno is not touched. Any thread, any signal handler, also one that interrupts this
// very function.
#pragma once

#include <cstdint>

#include "preload/stack/reading/frames.h"
#include "recording/layout.h"

namespace lamprey::preload::stack {

// Looks at what is loaded and proves on its own stack that walking reaches `caller`, to which the
// library's constructor returns. Where it does not, stacks stay off and Header::flags lacks
// kFlagStacks. Once, before recording begins; the recording is bound.
void attach(const void* caller);

// For a forked child whose recording is a new file: what its parent knew of modules holds on.
void attach_child(const recording::Header& parent, const void* parent_modules);

// The index of the calling thread's stack in Stack[], plus 1; 0: off, or no room.
std::uint32_t capture();

// The same of the stack that a deadly signal interrupted, from the instruction on (signal_walk.h):
// machine frames, whatever state the thread is in. `context`: the handler's ucontext_t.
std::uint32_t capture_interrupted(const void* context);

// The same with the frames of the thread's language in place of its interpreter's. They are read
// from structures that may be ruined, so a caller keeps the machine frames first. 0: no more than
// these.
std::uint32_t capture_interrupted_with_languages(const void* context);

// The stack of a healthy thread that a signal interrupted, with its language's frames; innermost is
// the instruction's address + 1. nullptr: off, or nothing to be told. The words are the thread's
// own and stay until it is interrupted again: for one handler that does not interrupt itself.
// Stack: 1 KB, and 7 KB more (arm64: 16 KB) where there is room and our own walker is lost.
const Words* words_of_interrupted(const void* context);

// Keeps words as capture() does.
std::uint32_t keep(const Words& words);

// Around the real dlclose: what is remembered of code addresses must not outlive the code.
void unloading();
void unloaded();

}  // namespace lamprey::preload::stack
