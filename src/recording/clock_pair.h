// One moment on both clocks of a recording (layout.h, "Units").
#pragma once

#include <cstdint>

namespace lamprey::recording {

struct ClockPair {
  std::uint64_t ticks;
  std::uint64_t mono_ns;
};

// Reads both. Who loses the CPU between the two would have a pair that no clock has, and all times
// of the recording would be off by as much: readings that were apart for more than `undisturbed`
// ticks are tried again, and the closest ones count.
template <class Ticks, class Nanoseconds>
ClockPair closest_pair(Ticks&& ticks, Nanoseconds&& mono_ns, std::uint64_t undisturbed) {
  constexpr int kTries = 4;
  ClockPair closest{};
  std::uint64_t apart = UINT64_MAX;
  for (int i = 0; i < kTries && apart > undisturbed; ++i) {
    const std::uint64_t before = ticks();
    const std::uint64_t ns = mono_ns();
    const std::uint64_t took = ticks() - before;
    if (took < apart) {
      apart = took;
      closest = {before + (took / 2), ns};
    }
  }
  return closest;
}

}  // namespace lamprey::recording
