// Reader: when the longest waits of an invocation were (timeline_section.h).
#include "recording/reader.h"

namespace lamprey::recording {

std::vector<Wait> Reader::timeline(std::uint64_t sequence) {
  std::vector<Wait> waits;
  const std::uint64_t bank = sequence % kWaitBanks;
  const std::uint32_t taken = header_->waits_taken[bank];
  if (taken == 0 || header_->timeline.count == 0) {
    return waits;
  }
  waits.resize(taken < kWaits ? taken : kWaits);
  if (!read_at(header_->timeline.offset + (bank * sizeof(Timeline::banks[0])), waits.data(),
               waits.size() * sizeof(Wait))) {
    drop("timeline: it could not be read");
    waits.clear();
  }
  std::size_t kept = 0;
  for (const Wait& wait : waits) {
    const bool makes_sense = wait.call < kCallCount && wait.target <= kTargets &&
                             wait.phase <= WaitPhase::kAfterImport &&
                             static_cast<std::uint32_t>(wait.spent_on) < kCallClasses;
    if (wait.ticks != 0 && makes_sense) {
      waits[kept++] = wait;
    } else if (wait.ticks != 0) {
      drop("timeline: a wait makes no sense");
    }
  }
  waits.resize(kept);
  return waits;
}

}  // namespace lamprey::recording
