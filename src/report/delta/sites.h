// What was allocated at which stack, between two looks at a recording. The figures are estimates by
// sampling (docs/sampling.md). Names of functions and words are stacks.h's.
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
  // Since the take before, or since the start; most live first, at most kMaxSites: those that hold
  // most, and those that allocated most in between. `invocation`: 0 init; its peak is taken if it
  // is the newest.
  std::vector<MemorySite> take(recording::Reader& reader, std::uint64_t invocation);
  // Since the start, whatever was taken.
  static std::vector<MemorySite> whole(recording::Reader& reader);

  struct Candidate;  // sites.cpp's

 private:
  struct Seen {
    std::uint64_t allocated_bytes = 0;
    std::uint64_t allocated_blocks = 0;
    std::int64_t live_bytes = 0;
    std::uint64_t churned_bytes = 0;
  };
  // Whether Site::peak_bytes are of the invocation.
  enum class PeakOf : std::uint8_t { kThis, kStart, kOther };
  static PeakOf peak_of(const recording::Header& header, std::uint64_t invocation);
  static Seen seen(const recording::Site& site);
  static std::vector<Candidate> candidates(const std::vector<recording::Site>& sites,
                                           const std::vector<Seen>& before, std::vector<Seen>& now,
                                           PeakOf peak);
  static std::vector<MemorySite> between(recording::Reader& reader, const std::vector<Seen>& before,
                                         std::vector<Seen>& now, PeakOf peak,
                                         KnownModules& modules);

  std::vector<Seen> before_;
  KnownModules modules_;
};

}  // namespace lamprey::report
