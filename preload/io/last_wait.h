// A thread's last wait of some kind, in one word: static TLS is scarce. Both times are in units of
// 2^16 ticks, some 20 us; how long it was saturates after minutes, and when it ended is modulo 2^36
// units, some days. Plain arithmetic; signal-safe.
#pragma once

#include <cstdint>

#include "recording/calls.h"

namespace lamprey::preload::io {

class LastWait {
 public:
  constexpr LastWait() = default;
  // In ticks.
  constexpr LastWait(recording::CallClass spent_on, std::uint64_t ticks, std::uint64_t at)
      : word_(((at >> kUnit) << kAtBit) |
              (((ticks >> kUnit) < kMostTicks ? ticks >> kUnit : kMostTicks) << kTicksBit) |
              (static_cast<std::uint64_t>(spent_on) + 1)) {}
  constexpr bool is_any() const { return word_ != 0; }
  constexpr recording::CallClass spent_on() const {
    return static_cast<recording::CallClass>((word_ & kClassMask) - 1);
  }
  constexpr std::uint64_t ticks() const { return ((word_ >> kTicksBit) & kMostTicks) << kUnit; }
  // Whether it ended after `begin`, a moment of the last days.
  constexpr bool is_since(std::uint64_t begin) const {
    const std::uint64_t at = (word_ >> kAtBit) << kAtBit;
    return at - ((begin >> kUnit) << kAtBit) < std::uint64_t{1} << 63U;
  }

 private:
  static constexpr unsigned kUnit = 16;
  static constexpr unsigned kTicksBit = 4;
  static constexpr unsigned kAtBit = 28;
  static constexpr std::uint64_t kClassMask = (1U << kTicksBit) - 1;
  static constexpr std::uint64_t kMostTicks = (1U << (kAtBit - kTicksBit)) - 1;
  std::uint64_t word_ = 0;
};

static_assert(recording::kCallClasses < 16);

}  // namespace lamprey::preload::io
