// Addresses in digits. Some hundred are written at the end of every invocation, so no format string
// is parsed; and std::to_chars would bring a table of 512 bytes for its base 16.
#pragma once

#include <cstdint>
#include <string>

namespace lamprey::symbols {

// Adds `value` in lower-case digits, without a prefix: 0 is "0".
inline void append_hexadecimal(std::string& text, std::uint64_t value) {
  unsigned shift = 60;
  while (shift > 0 && value >> shift == 0) {
    shift -= 4;
  }
  for (;; shift -= 4) {
    text += "0123456789abcdef"[(value >> shift) & 0xFU];
    if (shift == 0) {
      return;
    }
  }
}

}  // namespace lamprey::symbols
