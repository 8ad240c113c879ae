// Of all invocations of a function the few that a page shows one by one: those that ended badly,
// have findings, were slowest, or were cold starts. Keeps copies, in bounded room. Draws nothing.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/analysis/waits.h"
#include "cli/input/json_document.h"

namespace lamprey::cli {

struct ShownFinding {
  std::string code;
  std::string severity;
  std::string text;
  std::string advice;
};

// What a page says of one invocation or init.
struct ShownInvocation {
  std::uint64_t line = 0;  // which of its function's lines, from 1
  std::string type;
  std::string status;
  std::string started;
  std::string request_id;
  std::string headline;
  std::uint64_t invocation = 0;  // 0: not said
  std::uint64_t duration_ns = 0;
  std::uint64_t response_ns = 0;  // 0: not said
  bool cold_start = false;
  bool is_worth_a_look = false;                             // one of those that Notable counts
  std::vector<std::pair<const char*, std::uint64_t>> wall;  // by key of kWallParts, in ns
  std::vector<ShownFinding> findings;
  std::vector<Wait> waits;  // with the path marked
  std::string handler;      // the thread whose waits are on it; empty: not known
  std::vector<Blocked> blocked;

  bool ended_well() const { return status == "ok"; }
};

class Notable {
 public:
  void add(const Value& record);

  // Bad ends first, newest first; then by what they took. At most `most`.
  std::vector<const ShownInvocation*> shown(std::size_t most) const;
  // So many lines ended badly, have a finding that is more than information, or have a timeline.
  std::uint64_t worth_a_look() const { return worth_a_look_; }

 private:
  using Shown = std::shared_ptr<const ShownInvocation>;
  std::uint64_t lines_ = 0;
  std::uint64_t worth_a_look_ = 0;
  std::deque<Shown> bad_ends_;       // the newest
  std::deque<Shown> with_findings_;  // the newest
  std::vector<Shown> slowest_;
  std::vector<Shown> slowest_with_waits_;
  std::vector<Shown> slowest_starts_;  // inits and cold starts
};

}  // namespace lamprey::cli
