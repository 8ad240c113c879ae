// Which parts only some recordings have, behind those that all have, and where they then lie. Part
// of the contract of layout.h.
#pragma once

#include <cstddef>

#include "recording/layout.h"

namespace lamprey::recording {

struct Extras {
  bool exact;  // Kernel
  bool cpu;    // CpuProfile
  bool batch;  // Trail
};

constexpr std::size_t cpu_offset(Extras extras) {
  return extras.exact ? page_up(kKernelOffset + sizeof(Kernel)) : kFileBytes;
}
constexpr std::size_t trail_offset(Extras extras) {
  return extras.cpu ? page_up(cpu_offset(extras) + sizeof(CpuProfile)) : cpu_offset(extras);
}
constexpr std::size_t file_bytes(Extras extras) {
  return extras.batch ? page_up(trail_offset(extras) + sizeof(Trail)) : trail_offset(extras);
}
inline constexpr std::size_t kExactFileBytes = file_bytes({true, false, false});

}  // namespace lamprey::recording
