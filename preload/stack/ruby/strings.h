// Reads a String of Ruby's as UTF-8. Every read is checked; what is no String gives nothing.
#pragma once

#include <cstdint>

#include "preload/stack/ruby/layouts.h"

namespace lamprey::preload::stack::ruby {

inline constexpr char kReplacement[] = "\xEF\xBF\xBD";  // U+FFFD, of a byte that is no UTF-8
inline constexpr std::uint32_t kMaxBytesOfByte = 3;     // as many

// Writes at most `most` bytes of it, the first or the last ones, to `into`, which has room for
// three times as many. What is no UTF-8, and NUL, becomes U+FFFD (Ruby's source may be in other
// encodings). Returns the bytes; 0 also when it cannot be read.
enum class Kept : std::uint8_t { kStart, kEnd };
std::uint32_t read_string(const Layout& layout, std::uintptr_t string, Kept kept,
                          std::uint32_t most, char* into);

}  // namespace lamprey::preload::stack::ruby
