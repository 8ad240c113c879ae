// The V8 of this process: which build it is, whether its frames may be read, and what the calling
// thread is doing in it.
//
// Cost: here() ~100 ns, as V8 tells its state by GetStackSample. No allocation, lock, system call.
#pragma once

#include <cstdint>

#include "preload/stack/reading/dynamic_symbols.h"
#include "preload/stack/v8/layouts.h"
#include "recording/functions.h"

namespace lamprey::preload::stack::v8 {

// A module was loaded: is V8 in it? `wanted`: frames are not switched off.
void module_came(const LoadedObject& object, bool wanted);

// A V8 is here whose frames can be read.
bool armed();
recording::FrameReader state();

// In a forked child, which V8 keeps its heap from (MADV_DONTFORK): no JavaScript can run there, and
// whoever asks V8 what it is doing ends the child.
void leave();

// Only while armed().
const Layout& layout();
// The machine code that V8 was built with: its builtins are there.
bool in_module(std::uintptr_t pc);

enum class Here : std::uint8_t {
  kNone,        // the thread runs no JavaScript
  kJavaScript,  // its frames are as they should be
  kCollecting,  // they are not: objects are being moved
};
Here here();

// Tells the calling thread's isolate (a V8 with a heap of its own; a worker has one) from all
// others, also from an earlier one at the same address: never 0.
std::uint64_t isolate();

// What the first frames of interpreted functions say is what they must say, or not: then their
// frames are left alone from now on.
void prove(bool passed);
// A frame of V8's own code that should have been a function's was none. Many of them before any
// that was one say that nothing is where it should be.
void disprove();

}  // namespace lamprey::preload::stack::v8
