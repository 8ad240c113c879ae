// The nine figures of an invocation that are metrics, too. No name and no unit of CloudWatch's
// lives here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace lamprey::report {

struct Report;

// In the order of the record.
enum class Metric : std::uint8_t {
  kDuration,
  kCpu,
  kNetwork,
  kAllocated,
  kLive,
  kPeakRss,
  kSyscalls,
  kWarnings,
  kFlush
};
inline constexpr std::size_t kMetrics = 9;

// By metric: ns, bytes, counts. Absent: could not be obtained.
using MetricFigures = std::array<std::optional<std::int64_t>, kMetrics>;
MetricFigures metric_figures(const Report& report);

}  // namespace lamprey::report
