// All that was allocated at each stack in a stretch of a process's life: plain values. A line lists
// a few sites of one span; a picture of a process needs them all.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "report/model/frame.h"

namespace lamprey::report {

struct ProfiledSite {
  std::uint32_t stack_id = 0;  // of the recording; 0: no stack was taken
  bool mapping = false;        // by mmap, not malloc
  std::uint64_t allocated_bytes = 0;
  std::uint64_t allocations = 0;
  std::int64_t live_bytes = 0;
  std::int64_t live_delta_bytes = 0;
};

struct ProfiledSites {
  // The invocation after which was counted (0: init); nothing: from the process's start.
  std::optional<std::uint64_t> since;
  std::uint64_t until = 0;          // the newest invocation by then
  std::vector<ProfiledSite> sites;  // the weightiest first
  // The stacks of some of them; many at a time would be the largest that a companion holds. Valid
  // as long as the ledger that made it.
  std::function<std::vector<Stack>(const std::vector<ProfiledSite>& some)> stacks_of;
};

// The same in words: each file and each frame once, in the order of its first use.
struct AllocationProfile {
  std::optional<std::uint64_t> since;
  std::uint64_t until = 0;
  std::string files;   // joined by "; "
  std::string frames;  // joined by "; "; "f (#2:12)": in the third of the files
  // Joined by "; ": allocated bytes, allocations, live bytes, their growth, then the frames by
  // their place in `frames`, from 0, innermost first.
  std::string sites;
};

}  // namespace lamprey::report
