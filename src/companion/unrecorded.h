// Invocations that no recording knows, because the runtime cannot be recorded: a line each, with
// what all of its processes used. Only looks and words live here; companion.h decides when.
//
// Nobody tells when such an invocation ends. Waiting for that would hold up the function, so its
// line is made when the next event comes: between the two the environment was frozen.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lambda/event.h"
#include "report/model/report.h"

namespace lamprey::companion {

class Unrecorded {
 public:
  Unrecorded(std::string runtime_api, std::optional<std::uint64_t> memory_limit_mb)
      : runtime_api_(std::move(runtime_api)), memory_limit_mb_(memory_limit_mb) {}

  // An INVOKE has come. Returns the report of the invocation before, if that was not recorded
  // either.
  std::optional<report::Report> begin(const lambda::Event& event, std::uint64_t now_real_ns);
  // SHUTDOWN has come; `status`: how the environment ended.
  std::optional<report::Report> end(report::Status status, const report::EndDescription& how);
  // An invocation is recorded after all: it is no matter of ours.
  void forget() { open_.reset(); }
  // Whether one waits for its line.
  bool any() const { return open_.has_value(); }

 private:
  struct Open {
    std::string request_id;
    std::uint64_t invocation = 0;
    std::uint64_t started_real_ns = 0;
    report::ProcessFigures before;
  };
  report::ProcessFigures look();
  std::optional<report::Report> take(const report::ProcessFigures& now);

  std::string runtime_api_;
  std::optional<std::uint64_t> memory_limit_mb_;
  std::int32_t root_ = 0;
  std::uint64_t root_start_ = 0;
  std::uint64_t invocations_ = 0;
  std::optional<Open> open_;
};

}  // namespace lamprey::companion
