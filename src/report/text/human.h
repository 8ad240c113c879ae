// Numbers as people read them, for headlines and tables. Integer arithmetic, no locale.
#pragma once

#include <cstdint>
#include <string>

namespace lamprey::report {

std::string human_bytes(std::int64_t bytes);   // "512 B", "83.1 MB" (1 MB = 2^20 B)
std::string human_duration(std::uint64_t ns);  // "310 ns", "12.3 µs", "412 ms", "2.94 s"
std::string human_count(std::uint64_t count);  // "1,234,567"

}  // namespace lamprey::report
