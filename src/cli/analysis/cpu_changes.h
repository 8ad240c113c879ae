// Which functions use more or less CPU time in an invocation than before. A line may list the top
// sites only; so of a function it says a range: what is listed, and that with all that is not.
// "For sure" is said where the ranges leave no doubt.
#pragma once

#include <string>
#include <vector>

#include "cli/analysis/change.h"
#include "cli/analysis/function_sums.h"
#include "cli/input/json_document.h"

namespace lamprey::cli {

// One side's invocations, in order; of each function one value an invocation, in ns.
class CpuRun {
 public:
  struct Range {
    Kept least;
    Kept most;
  };

  void add(const Value& record);  // only warm invocations with `cpu` count

  const Named<Range>& functions() const { return functions_; }
  // Some invocations have no line of their own: those that have one are not like them.
  bool is_partial() const { return partial_; }
  // Also of a function that no line lists.
  Range range(const std::string& function) const;

 private:
  Range unlisted() const;

  Named<Range> functions_;
  Kept rest_;  // at no listed site
  bool partial_ = false;
};

// Of the functions that use most on both sides together; of none where a side is partial.
std::vector<Tested> compare_cpu(const CpuRun& before, const CpuRun& after);

}  // namespace lamprey::cli
