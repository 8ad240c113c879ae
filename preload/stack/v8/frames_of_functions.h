// Which frame of machine code is a function of JavaScript, and which line it is at: interpreted,
// baseline (Sparkplug) or optimised code (Maglev, TurboFan), there with the functions that were
// inlined into it.
//
// Cost: ~25 ns a frame whose function and line were seen before, else up to some microseconds.
#pragma once

#include <cstdint>

#include "preload/stack/reading/frames.h"
#include "preload/stack/v8/shared_functions.h"

namespace lamprey::preload::stack::v8 {

enum class FrameKind : std::uint8_t {
  kForeign,    // none of V8's
  kMachinery,  // V8's own: an entry, an exit, a construction, a builtin without a function
  kBuiltin,    // a function of V8's own, as Array.prototype.map is
  kFunction,
};

// A frame without unwind tables. Appends the words of a function: what was inlined first.
FrameKind read_frame(Reading& reading, const NativeFrame& frame, Words& words);

// The word of a function that stands at a bytecode of its own; `offset` as frames and generators
// have it. With `bytecodes`, its BytecodeArray.
std::uint64_t frame_at_bytecode(Reading& reading, const SharedFunction& function, Word bytecodes,
                                Word offset);

// The context that a frame runs in (a Context, tagged); 0: unreadable.
Word context_of(const NativeFrame& frame);

}  // namespace lamprey::preload::stack::v8
