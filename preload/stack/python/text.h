// Reads a str of CPython's as UTF-8. Every read is checked; what is no str gives nothing.
#pragma once

#include <cstdint>

#include "preload/stack/python/layouts.h"

namespace lamprey::preload::stack::python {

inline constexpr std::uint32_t kMaxBytesOfCharacter = 4;

// Writes at most `most` characters, the first or the last ones, to `into`, which has room for four
// bytes each. Surrogates that stand alone, and what is no character, become U+FFFD. Returns the
// bytes; 0 also when it cannot be read.
enum class Kept : std::uint8_t { kStart, kEnd };
std::uint32_t read_text(std::uintptr_t text, std::uintptr_t text_type, const Layout& layout,
                        Kept kept, std::uint32_t most, char* into);

}  // namespace lamprey::preload::stack::python
