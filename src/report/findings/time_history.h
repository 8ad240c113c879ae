// What only several invocations of one process together show: connections that are made anew each
// time, and numbers of descriptors or threads that only rise. Bounded, however many hosts there
// are.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "report/model/report.h"

namespace lamprey::report {

class TimeHistory {
 public:
  // Takes the next invocation into account, and adds the findings that it now supports.
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
  Level children_;   // that run
  Level forgotten_;  // that have ended, and nobody waited for them
};

}  // namespace lamprey::report
