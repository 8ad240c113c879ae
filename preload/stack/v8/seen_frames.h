// What the calling thread's frames of the interpreter were the last time, so that a frame that is
// still the same costs three looks instead of eight.
//
// A frame is the same when the function's closure, its place in the bytecode, the return address,
// and all that makes the function's identity are: an address alone says nothing, objects move.
//
// Each thread slot has places of its own, touched as its thread's stacks are taken; nothing is
// shared or locked.
#pragma once

#include <cstdint>

#include "preload/stack/v8/shared_functions.h"

namespace lamprey::preload::stack::v8::seen_frames {

struct Frame {
  Word function;  // the JSFunction
  Word offset;    // its bytecode's, as the frame has it
  std::uintptr_t pc;
};

struct Seen {
  Frame frame;
  Word shared, script;
  std::uint64_t script_identity;
  std::uint64_t literal;
  std::uint64_t word;  // of the stack; 0: nothing is here
};
static_assert(sizeof(Seen) == 64);

// The calling thread's places; nullptr: it has none. Only one stack of a thread is read at a time.
Seen* places();

// The word that the frame had, if all is as it was; 0: it is not.
std::uint64_t recall(Reading& reading, const Frame& frame);
void remember(Reading& reading, const Frame& frame, const SharedFunction& function,
              std::uint64_t word);

// In a forked child that gets a recording of its own: words mean nothing there.
void forget_all();

}  // namespace lamprey::preload::stack::v8::seen_frames
