// The share of a CPU that a memory size buys on Lambda. (The emulator has the figure for itself: it
// knows no reports.)
#pragma once

#include <cstdint>

namespace lamprey::report {

// 1 vCPU at 1,769 MB (AWS, "Configure Lambda function memory").
inline constexpr std::uint64_t kMbOfOneCpu = 1769;

}  // namespace lamprey::report
