// What only several invocations of one process together show: connections made anew each time,
// descriptors and threads that only ever become more. Bounded, however many hosts there are.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "report/model/report.h"

namespace lamprey::report {

class TimeHistory {
 public:
  // Takes an invocation into account, in their order, and adds what it makes clear to its findings.
  void add_findings(Report& report);

 private:
  struct Level {
    std::optional<std::uint64_t> last;
    std::uint64_t first = 0;    // where the growth began
    std::uint64_t growing = 0;  // invocations in a row, each with more than the one before
  };
  void add_reconnects(Report& report);
  static bool grows(Level& level, std::optional<std::uint64_t> now);

  static constexpr std::size_t kMaxHosts = 64;
  std::map<std::string, std::uint64_t> reconnecting_;  // host → invocations in a row
  Level descriptors_;
  Level threads_;
};

}  // namespace lamprey::report
