// From a piece of Ruby code (an "iseq": a method's, a block's, a file's) to the words of a stack:
// its function in the recording, with name and file as they are copied when it is first met, and
// the line.
//
// Cost: two look-ups for a frame seen before (functions.h), some hundred ns for one that is new.
#pragma once

#include <cstdint>

#include "preload/stack/ruby/layouts.h"
#include "preload/stack/ruby/ruby.h"
#include "preload/stack/ruby/runtime.h"

namespace lamprey::preload::stack::ruby {

// A word of which it is known that it can be read.
template <typename T>
T field(std::uintptr_t address) {
  T value;
  __builtin_memcpy(&value, reinterpret_cast<const void*>(address), sizeof(T));
  return value;
}

// By an object's flags.
inline bool is_iseq(std::uint64_t flags) {
  return (flags & kTypeMask) == kTypeInternal &&
         ((flags >> kInternalKind) & kInternalMask) == kInternalIseq;
}

// All that tells it from one that lay there before; never 0. `body` can be read. What compaction
// moves is among it: such code is met as new, and shows the same name.
inline std::uint64_t identity_of(std::uintptr_t body) {
  const std::uint64_t sum = (body * 0x9E3779B97F4A7C15U) +
                            (field<std::uintptr_t>(body + kBodyCode) * 0xC2B2AE3D27D4EB4FU) +
                            (field<std::uintptr_t>(body + kBodyPath) * 0x165667B19E3779F9U) +
                            (field<std::uintptr_t>(body + kBodyLabel) * 0xD6E8FEB86659FD93U) +
                            (field<std::uint64_t>(body + kBodyFirstLine) * 0xE7037ED1A0B428DBU);
  return (sum ^ (sum >> 32U)) | 1U;
}

// In instruction words; a frame's pc is behind the instruction that runs. Negative: it is none of
// this code's. `body` can be read.
inline std::int32_t position_of(std::uintptr_t body, std::uintptr_t pc) {
  constexpr std::uint32_t kMost = 1U << 28U;
  const std::uint64_t words =
      (pc - field<std::uintptr_t>(body + kBodyCode)) / sizeof(std::uintptr_t);
  const auto size = field<std::uint32_t>(body + kBodySize);
  if (words > size || words > kMost) {
    return -1;
  }
  return words == 0 ? 0 : static_cast<std::int32_t>(words) - 1;
}

// Where `body` has its path and its name, as objects; 0: it cannot be read.
std::uintptr_t path_object(std::uintptr_t body);
std::uintptr_t label_object(std::uintptr_t body);
// The line of a position; the first line where it is not known, 0 where that is not either.
std::uint32_t line_at(const Layout& layout, std::uintptr_t body, std::int32_t position);

// As recording/functions.h has it.
std::uint64_t word_of(const Layout& layout, const Frame& frame);

}  // namespace lamprey::preload::stack::ruby
