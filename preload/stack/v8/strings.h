// The text of V8's strings as UTF-8: sequential, cons, sliced, thin and external ones, of bytes or
// UTF-16. What is no text (a lone surrogate, NUL) becomes U+FFFD, so that what comes out is always
// UTF-8 without NUL.
//
// Cost: ~1 ns a character. Bounded in steps; every piece is checked before it is read.
#pragma once

#include <cstdint>

#include "preload/stack/v8/heap.h"

namespace lamprey::preload::stack::v8 {

// In UTF-16 units or bytes; false: it is no string.
bool length_of_string(Word string, std::uint32_t& length);

// As many whole characters from unit `from` on as `capacity` bytes hold; 0 also where the string
// cannot be read.
std::uint32_t copy_string(Word string, std::uint32_t from, char* to, std::uint32_t capacity);

// Where the units of a string lie that is in one piece. False: it has several, or cannot be read.
struct Units {
  std::uintptr_t begin;
  std::uint32_t count;
  bool wide;  // two bytes each
};
bool units_of_string(Word string, Units& units);

}  // namespace lamprey::preload::stack::v8
