// Changes of CPU time by function; see the header.
#include "cli/analysis/cpu_changes.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "cli/analysis/cpu_figures.h"

namespace lamprey::cli {
namespace {

constexpr std::size_t kMaxFunctions = 200;
constexpr std::size_t kCompared = 20;
constexpr std::size_t kFewestBlocks = 8;  // as comparison.cpp has it
// From here on a change counts: samples are few in one invocation, and machines differ.
constexpr double kMargin = 0.25;
constexpr double kFloorNs = 5e5;

double mean(const std::vector<double>& values) {
  return values.empty() ? 0
                        : std::accumulate(values.begin(), values.end(), 0.0) /
                              static_cast<double>(values.size());
}

std::vector<double> moved(std::vector<double> values) {
  for (double& value : values) {
    value += (value * kMargin) + kFloorNs;
  }
  return values;
}

// How likely `more` is as much more than `less` as it is, whatever the lines do not list.
double chance(const CpuRun::Range& less, const CpuRun::Range& more) {
  const auto first = block_means(less.most.values());
  const auto second = block_means(more.least.values());
  return first.size() < kFewestBlocks || second.size() < kFewestBlocks
             ? 2
             : probability_of_greater(moved(first), second);
}

std::vector<std::string> greatest(const CpuRun& before, const CpuRun& after) {
  std::map<std::string, double> sums;
  for (const CpuRun* run : {&before, &after}) {
    for (const auto& [name, range] : run->functions()) {
      sums[name] += mean(range.least.values());
    }
  }
  std::vector<std::pair<double, std::string>> order;
  order.reserve(sums.size());
  for (const auto& [name, sum] : sums) {
    order.emplace_back(sum, name);
  }
  std::sort(order.rbegin(), order.rend());
  order.resize(std::min(order.size(), kCompared));
  std::vector<std::string> names;
  names.reserve(order.size());
  for (auto& [sum, name] : order) {
    names.push_back(std::move(name));
  }
  return names;
}

}  // namespace

CpuRun::Range CpuRun::unlisted() const {
  Range range{{}, rest_};
  while (range.least.seen() < rest_.seen()) {
    range.least.add(0);
  }
  return range;
}

CpuRun::Range CpuRun::range(const std::string& function) const {
  const auto found = functions_.find(function);
  return found == functions_.end() ? unlisted() : found->second;
}

void CpuRun::add(const Value& record) {
  partial_ = partial_ || is_sum_of_lines(record);
  const auto cpu = is_warm_invocation(record) ? cpu_figures(record) : std::nullopt;
  if (!cpu) {
    return;
  }
  std::map<std::string, double> listed;
  for (const CpuSite& site : cpu->sites) {
    listed[cpu_function(site.stack)] += static_cast<double>(site.ns);
  }
  for (const auto& entry : listed) {
    if (functions_.size() < kMaxFunctions && !functions_.contains(entry.first)) {
      functions_.emplace(entry.first, unlisted());
    }
  }
  const auto rest = static_cast<double>(cpu->rest_ns);
  for (auto& [name, range] : functions_) {
    const auto found = listed.find(name);
    const double ns = found == listed.end() ? 0 : found->second;
    range.least.add(ns);
    range.most.add(ns + rest);
  }
  rest_.add(rest);
}

std::vector<Tested> compare_cpu(const CpuRun& before, const CpuRun& after) {
  std::vector<Tested> all;
  if (before.is_partial() || after.is_partial()) {
    return all;
  }
  for (const std::string& name : greatest(before, after)) {
    const CpuRun::Range first = before.range(name);
    const CpuRun::Range second = after.range(name);
    Tested tested;
    tested.change.name = name;
    tested.change.unit = Unit::kTime;
    tested.change.before = mean(first.least.values());
    tested.change.after = mean(second.least.values());
    tested.change.values_before = first.least.seen();
    tested.change.values_after = second.least.seen();
    tested.greater = chance(first, second);
    tested.less = chance(second, first);
    all.push_back(std::move(tested));
  }
  return all;
}

}  // namespace lamprey::cli
