// The allocation sites of many records, added up: what the flame graph, pprof and speedscope files
// are made of. Knows no file format.
//
// Allocated bytes and growth are sums over all records. Live bytes are a level: of each environment
// the newest counts. A record does not name its environment, so records are told apart by function
// and by the invocation's number: N continues the environment whose last was N - 1.
//
// A line lists a few sites of its own span. Where a line has a profile of all sites of a stretch of
// its environment's life, that takes the place of what the lines of this stretch list.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cli/input/json_document.h"

namespace lamprey::cli {

// Lines may say anything: a sum stops at the most that it can hold.
inline std::int64_t bounded_sum(std::int64_t a, std::int64_t b) {
  constexpr __int128 kMax = INT64_MAX;
  return static_cast<std::int64_t>(std::clamp(__int128{a} + b, -kMax, kMax));
}

struct SiteSum {
  std::int64_t live_bytes = 0;
  std::int64_t growth_bytes = 0;
  std::int64_t allocated_bytes = 0;
  std::int64_t allocations = 0;
};

// One stack: frames outermost first, as "function (module)"; those without a name keep their
// offset.
using Frames = std::vector<std::string>;

class MemoryProfile {
 public:
  MemoryProfile() = default;
  MemoryProfile(const MemoryProfile&) = delete;  // environments point into the sums
  MemoryProfile& operator=(const MemoryProfile&) = delete;

  void add(const Value& record);

  // Every stack with its sums. What the exact totals have and no listed site holds stands under the
  // single frame kNotListed.
  std::map<Frames, SiteSum> sites() const;
  std::uint64_t records() const { return records_; }  // that had sites
  static constexpr const char* kNotListed = "(sites not listed)";

 private:
  struct Environment {
    std::map<const Frames*, std::int64_t> live;  // by the key in sums_: there may be many of these
    std::int64_t live_total = 0;
    std::map<const Frames*, SiteSum> listed;  // by lines since the last profile
    std::uint64_t first_listed = UINT64_MAX;  // the first of these
  };
  using Environments = std::multimap<std::uint64_t, Environment>;  // by the newest invocation

  static Environment& environment(Environments& of_function, std::uint64_t invocation);
  const Frames* known(Frames frames);
  void add_listed(Environment& here, std::uint64_t invocation, const Value& sites);
  void add_profile(Environment& here, const Value& profile);
  void add_last_profile(Environments& of_function, const Value& profile);

  std::map<std::string, Environments> environments_;  // of each function
  Environment ended_;                                 // all that have ended, added up
  std::map<Frames, SiteSum> sums_;  // live_bytes stays 0: it is of the environments
  std::int64_t allocated_ = 0;
  std::int64_t allocations_ = 0;
  std::uint64_t records_ = 0;
};

// "a (m +0x12); b (m +0x34)" → {"b (m)", "a (m)"}.
Frames frames_of(const std::string& stack);

}  // namespace lamprey::cli
