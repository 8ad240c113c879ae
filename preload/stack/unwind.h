// Walks the calling thread's stack: the return addresses, innermost first. Which module an address
// belongs to is modules.h's answer; where a walk is kept is stacks.h's.
//
// Cost: ~11 ns a frame once its return address was seen, from a process-wide cache of 8-byte
// entries (64 KB, touched as used; nothing per thread); 0.3 to 1 us for a frame seen first. A stack
// that the thread took lately costs less: recent_stacks.h.
//
// Safety: no lock, no allocation, no call of libc. The only memory read besides the modules' tables
// is the stack, upwards from the stack pointer, and only pages that can be read: where a stack ends
// is a guess, wrong for a coroutine's below a thread's own, so each page is asked for once
// (page_probe.h: the only system call). A frame without tables (code made at run time) is taken for
// one that keeps a frame pointer, and only where the stack seems to end; but CPython's trampolines,
// where they are expected, are known by their code. May run in any thread, also in a signal handler
// that interrupts itself.
#pragma once

#include <cstddef>
#include <cstdint>

#include "preload/base/interrupted_registers.h"
#include "preload/stack/reading/frames.h"

namespace lamprey::preload::stack::unwind {

// Takes the end of the main thread's stack. Once, at attach, before any walk.
void set_main_stack(std::uintptr_t end);

// Code made at run time may be CPython's trampolines (PYTHONPERFSUPPORT). Once, at attach.
void expect_trampolines();

// Frames without tables may be V8's: those by which C++ enters its code are larger on arm64.
void expect_v8();

// Code was unmapped: what was remembered of addresses may be wrong from now on.
void forget_addresses();

// The words of the stack that a walk relied on: while they stay, the walk stays the same. Those
// below `base`, an address that the caller chooses before the walk, are left out.
struct Trace {
  static constexpr std::uint32_t kMax = 160;
  std::uintptr_t base;
  std::uint32_t count;
  bool complete;           // and on nothing else
  std::uint16_t at[kMax];  // in words above `base`
  std::uint64_t words[kMax];
};

// Fills `frames` with at most `capacity` return addresses above the caller of this function, those
// inside the module [skip_begin, skip_end) left out. Returns how many. `cut`: there were more.
struct Walk {
  std::uint32_t depth;
  bool cut;
};
Walk walk(std::uint64_t* frames, std::uint32_t capacity, std::uintptr_t skip_begin,
          std::uintptr_t skip_end, Trace& trace);

// The same with each frame's registers, for the readers of languages' frames. As many as there is
// room for in `native`.
void walk_frames(NativeFrames& native, std::uintptr_t skip_begin, std::uintptr_t skip_end,
                 Trace& trace);

// The frames of an interrupted thread, from that instruction on. Tables that count a frame from
// another register than the stack pointer and the frame pointer are not followed: false, then the
// walk ended somewhere inside (signal_walk.h follows them, at 40 times the cost).
bool walk_interrupted(NativeFrames& native, const InterruptedRegisters& at,
                      std::uintptr_t skip_begin, std::uintptr_t skip_end);

}  // namespace lamprey::preload::stack::unwind
