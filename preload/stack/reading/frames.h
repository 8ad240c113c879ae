// What a walk hands to the readers of languages' frames, and what they make of it. Plain data.
#pragma once

#include <cstdint>

#include "recording/layout.h"

namespace lamprey::preload::stack {
inline namespace reading {

// A frame of machine code, as the walk met it. Frame k owns the stack from its sp up to the sp of
// frame k + 1.
struct NativeFrame {
  std::uint64_t pc;     // the return address in it; of an interrupted one: the instruction's + 1
  std::uintptr_t sp;    // its stack pointer at the call
  std::uintptr_t fp;    // its frame pointer register at the call
  bool without_tables;  // no module's unwind tables cover pc: code made at run time, or V8's own
  bool interrupted;     // at any instruction: what is written down at calls may be older
};

// The native frames of one walk, innermost first.
struct NativeFrames {
  static constexpr std::uint32_t kMax = 256;
  std::uint32_t count;
  bool cut;                     // there were more
  std::uintptr_t end_of_stack;  // 0: unknown
  NativeFrame frames[kMax];
};

// The words of a stack as it is recorded (recording/functions.h), innermost first.
struct Words {
  std::uint64_t frames[recording::kMaxDepth];
  std::uint32_t depth;
  bool cut;

  void append(std::uint64_t word) {
    if (depth == recording::kMaxDepth) {
      cut = true;
      return;
    }
    frames[depth++] = word;
  }
};

}  // namespace reading
}  // namespace lamprey::preload::stack
