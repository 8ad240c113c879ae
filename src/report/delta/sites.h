// What was allocated at which stack, between two looks at a recording. The figures are estimates by
// sampling (docs/sampling.md). Frames are made in stacks.h and named in text/stack_names.h.
//
// Holds 32 bytes for each stack of the recording (64 KB at most). Not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "recording/reader.h"
#include "report/delta/stacks.h"
#include "report/model/report.h"

namespace lamprey::report {

inline constexpr std::size_t kMaxSites = 20;

class SiteLedger {
 public:
  // Figures since the last take(), or since the start. At most kMaxSites: those that hold most,
  // most live first, then those that allocated most. `invocation` (0: init): its peak is taken if
  // it is the newest.
  // Of sites at which nothing changed the stacks are left out, where `changed_only`; describe()
  // adds them.
  std::vector<MemorySite> take(recording::Reader& reader, std::uint64_t invocation,
                               bool changed_only = false);
  void describe(recording::Reader& reader, std::vector<MemorySite>& sites);
  // Figures since the start, whatever take() returned before.
  static std::vector<MemorySite> whole(recording::Reader& reader);

  struct Candidate;  // sites.cpp's

 private:
  struct Seen {
    std::uint64_t allocated_bytes = 0;
    std::uint64_t allocated_blocks = 0;
    std::int64_t live_bytes = 0;
    std::uint64_t churned_bytes = 0;
  };
  // Which instant is the invocation's peak: that of Site::peak_bytes, its START, or one unknown.
  enum class PeakOf : std::uint8_t { kThis, kStart, kOther };
  static PeakOf peak_of(const recording::Header& header, std::uint64_t invocation);
  static Seen seen(const recording::Site& site);
  static Candidate changes_of(const recording::Site& site, const Seen& after, const Seen& earlier,
                              PeakOf peak);
  static std::vector<Candidate> candidates(recording::Reader& reader,
                                           const std::vector<Seen>& before, std::vector<Seen>& now,
                                           PeakOf peak);
  static std::vector<MemorySite> between(recording::Reader& reader, const std::vector<Seen>& before,
                                         std::vector<Seen>& now, PeakOf peak, KnownModules& modules,
                                         bool changed_only);

  std::vector<Seen> before_;
  KnownModules modules_;
};

}  // namespace lamprey::report
