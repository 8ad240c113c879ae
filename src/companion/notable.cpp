// What is notable; see the header.
#include "companion/notable.h"

#include <algorithm>

#include "report/model/distribution.h"

namespace lamprey::companion {

// The end of the step that has, with those above it, more than `above` of the durations.
std::uint64_t SlowWatch::limit(std::uint32_t above) const {
  std::uint32_t seen = 0;
  std::size_t step = kSteps;
  while (step != 0 && seen <= above) {
    --step;
    seen += counts_[step];
  }
  return report::end_of_step(static_cast<std::uint32_t>(step));
}

bool SlowWatch::is_slow(std::uint64_t duration_ns) {
  const std::uint64_t us = duration_ns / 1000;
  const bool slow =
      count_ >= kFewest && us >= std::max(2 * limit(count_ / 10), limit(count_ / 200));
  const std::size_t step = std::min<std::size_t>(report::step_of(us), kSteps - 1);
  counts_[step] += 1;
  count_ += 1;
  if (count_ == kMany) {
    count_ = 0;
    for (std::uint16_t& count : counts_) {
      count /= 2;
      count_ += count;
    }
  }
  return slow;
}

bool Notable::is_notable(const report::Report& report) {
  const bool usual = !report.cold_start.value_or(false) && report.status == report::Status::kOk;
  bool slow = usual && report.duration_ns && slow_.is_slow(*report.duration_ns);
  slow = slow && slow_told_ < kMostSlow;
  slow_told_ += slow ? 1 : 0;
  return slow || !usual || !report.error_type.empty() ||
         std::any_of(report.findings.begin(), report.findings.end(),
                     [](const report::Finding& finding) { return !finding.told; });
}

}  // namespace lamprey::companion
