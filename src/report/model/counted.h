// Arithmetic on figures of a recording. A forged one may count backwards, or beyond what fits: no
// figure of it may be undefined.
#pragma once

#include <cstdint>

namespace lamprey::report {

// A counter that went back (a forged or torn file) gives 0 rather than 2^64.
inline std::uint64_t grown(std::uint64_t after, std::uint64_t before) {
  return after > before ? after - before : 0;
}

inline std::int64_t difference(std::uint64_t after, std::uint64_t before) {
  return static_cast<std::int64_t>(after - before);
}

inline std::int64_t difference(std::int64_t after, std::int64_t before) {
  return difference(static_cast<std::uint64_t>(after), static_cast<std::uint64_t>(before));
}

inline std::int64_t sum(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

}  // namespace lamprey::report
