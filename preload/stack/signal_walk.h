// Walks a stack that starts in a signal context: the registers of any instruction, as a signal
// handler gets them (a crash, an abort, a sample of the processor's time). libunwind's work; stacks
// of hooked calls are unwind.h's. Why there are two: docs/decisions/stack-walkers.md.
//
// Cost: about two microseconds a frame, since every byte of the tables is read through a check that
// it is there. Stack: kStackNeeded at most; on an alternate stack with less room nothing is walked.
//
// Safety: no lock, no allocation, no libc. Nothing is read of which the kernel has not said that it
// is there (page_probe.h). Every walk ends, whatever the tables and the stack say. Any thread, any
// signal handler, also one that interrupts another walk. What is unmapped by another thread while
// it is being read faults: a caller must outlive that (deadly_signals.cpp does).
#pragma once

#include <cstdint>

#include "preload/stack/reading/frames.h"

namespace lamprey::preload::stack::signal_walk {

#if defined(__x86_64__)
inline constexpr std::uint64_t kStackNeeded = std::uint64_t{7} * 1024;
#else
inline constexpr std::uint64_t kStackNeeded = std::uint64_t{16} * 1024;
#endif

// At attach, before any walk.
void attach();

struct Walk {
  std::uint32_t depth;
  bool cut;  // there were more
};

// Fills `frames` with the interrupted instruction's address and the return addresses above it, this
// library's own left out. `context`: the ucontext_t that a handler with SA_SIGINFO is given.
Walk walk(const void* context, std::uint64_t* frames, std::uint32_t capacity);

// The same with each frame's registers, for the readers of languages' frames. The interrupted
// instruction's address is one higher, as that of a call would be.
void walk_frames(const void* context, NativeFrames& native);

}  // namespace lamprey::preload::stack::signal_walk
