// Two sets of records of the same functions, and what changed between them for sure. Formats
// nothing.
//
// "For sure" is stated: of a hundred comparisons of two equal sets, at most one says that anything
// changed (kErrorRate, over all that is compared). A change smaller than a figure's margin counts
// as none: two equal runs on two days differ by that much.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cli/analysis/change.h"
#include "cli/analysis/cpu_changes.h"
#include "cli/analysis/function_sums.h"
#include "cli/input/json_document.h"

namespace lamprey::cli {

inline constexpr double kErrorRate = 0.01;

struct FunctionRun {
  std::uint64_t invocations = 0;
  CpuRun cpu;
  Named<Kept> figures;          // by the name of the figure; times in ns
  Named<std::uint64_t> events;  // findings by code, ends by status: in how many records
  Named<Kept> sites;            // allocated bytes by site, of warm records that list sites
  std::uint64_t records_with_sites = 0;
  // Some are sums of many: then only what they have the single values of is compared. Those that
  // have a line of their own are the slow ones.
  bool has_summaries = false;
};

// The records of one side, by function.
class RunFigures {
 public:
  void add(const Value& record);
  const std::map<std::string, FunctionRun>& functions() const { return functions_; }

 private:
  std::map<std::string, FunctionRun> functions_;
};

// A finding or an end.
struct EventChange {
  std::string name;
  std::uint64_t before = 0;
  std::uint64_t after = 0;
  Verdict verdict = Verdict::kCannotTell;
};

struct FunctionChanges {
  std::string name;
  std::uint64_t before = 0;  // invocations
  std::uint64_t after = 0;
  std::vector<Change> figures;
  std::vector<Change> sites;
  std::vector<Change> cpu;  // by function
  std::vector<EventChange> events;
};

struct Comparison {
  std::vector<FunctionChanges> functions;
  std::vector<std::string> only_before;
  std::vector<std::string> only_after;
};

Comparison compare(const RunFigures& before, const RunFigures& after);

}  // namespace lamprey::cli
