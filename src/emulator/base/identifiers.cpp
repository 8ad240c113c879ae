// Random identifiers in the shapes Lambda uses. Nothing else lives here.
#include "emulator/base/identifiers.h"

#include <fmt/format.h>

#include <ctime>
#include <random>

namespace lamprey::emulator {

std::string random_hex(std::size_t digits) {
  static thread_local std::random_device source;
  std::uniform_int_distribution<unsigned> digit(0, 15);
  std::string text(digits, '0');
  for (char& c : text) {
    c = "0123456789abcdef"[digit(source)];
  }
  return text;
}

std::string random_uuid() {
  std::string hex = random_hex(32);
  hex[12] = '4';                      // RFC 4122: version 4 ...
  hex[16] = "89ab"[(hex[16] & 0x3)];  // ... and its variant
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20));
}

std::string random_trace_id() {
  return fmt::format("Root=1-{:08x}-{};Parent={};Sampled=0",
                     static_cast<unsigned>(std::time(nullptr)), random_hex(24), random_hex(16));
}

}  // namespace lamprey::emulator
