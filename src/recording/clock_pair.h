// One moment on both clocks of a recording (layout.h, "Units").
#pragma once

#include <cstdint>

namespace lamprey::recording {

struct ClockPair {
  std::uint64_t ticks;
  std::uint64_t mono_ns;
};

}  // namespace lamprey::recording
