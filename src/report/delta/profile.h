// What was allocated at each stack since the last profile of the same recording. The figures are
// estimates by sampling (docs/sampling.md). Which lines have a profile is the ledger's to say, its
// words are text/profile_text.h's.
//
// Holds 24 bytes for each stack of the recording (48 KB at most). Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "recording/reader.h"
#include "report/delta/stacks.h"
#include "report/model/allocation_profile.h"

namespace lamprey::report {

class ProfileLedger {
 public:
  static constexpr std::size_t kMaxSites = 128;
  // Of a hundredth invocation: their names stay with a companion that has much else to hold.
  static constexpr std::size_t kMaxSitesBetween = 80;

  // Of the process up to the end of `invocation` (0: init). The sites with the largest shares of
  // what was allocated or is live; of mappings and of malloc's blocks apart.
  ProfiledSites take(recording::Reader& reader, std::uint64_t invocation,
                     std::size_t most = kMaxSites);
  // From here on is counted: others have told of what was before.
  void begin(recording::Reader& reader, std::uint64_t invocation);

 private:
  struct Seen {
    std::uint64_t allocated_bytes = 0;
    std::uint64_t allocated_blocks = 0;
    std::int64_t live_bytes = 0;
  };

  std::vector<ProfiledSite> changes(recording::Reader& reader);

  std::optional<std::uint64_t> since_;
  std::vector<Seen> before_;  // by index of the stack + 1; first those without one
  KnownModules modules_;
};

}  // namespace lamprey::report
