// Which findings of a process are news. A finding makes its line a full one, and full lines cost
// money. So one that every invocation has counts as news once in every hundred invocations.
// Findings about memory are always news: the code that makes them keeps them rare.
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
  // Marks findings that an earlier invocation of the same hundred had with the same severity.
  void mark(Report& report);

  // A hundred begins where a line is full anyway.
  static constexpr std::uint64_t kInvocations = 100;

 private:
  std::uint64_t hundred_ = 0;
  std::vector<std::pair<std::string_view, Severity>>
      told_;  // at most one of each code and severity
};

// Whether its line tells all of it unless somebody asked for something else: what is rare, what
// went wrong, and what is news.
bool is_worth_all(const Report& report);

// Whether it was notably slow, or something was found about time or hosts: then the line shows when
// its waits were, also where it is short.
bool is_about_time(const Report& report);

}  // namespace lamprey::report
