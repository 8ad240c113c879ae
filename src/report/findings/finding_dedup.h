// Which findings of a process are news. One that every invocation has would make every line a full
// one, and those cost: it makes one once in each hundred of invocations. Findings about memory are
// always news: whoever makes them sees to it that they are rare.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "report/model/report.h"

namespace lamprey::report {

// One process's invocations in order.
class FindingDedup {
 public:
  // Marks the findings of an invocation that one before it in its hundred had, as severe.
  void mark(Report& report);

  // Hundreds begin where a line is full anyway.
  static constexpr std::uint64_t kInvocations = 100;

 private:
  std::uint64_t hundred_ = 0;
  std::vector<std::pair<std::string_view, Severity>>
      told_;  // at most one of each code and severity
};

}  // namespace lamprey::report
