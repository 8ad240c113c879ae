// What changed between two sets of records; see the header.
#include "cli/analysis/comparison.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "cli/analysis/memory_profile.h"
#include "cli/input/json_values.h"
#include "cli/input/summaries.h"

namespace lamprey::cli {
namespace {

constexpr std::size_t kFewestBlocks = 8;  // of 7 the least probability is 6 in 10,000
constexpr std::size_t kMaxSites = 2000;
constexpr std::size_t kMaxHosts = 500;
constexpr std::size_t kSitesCompared = 20;
constexpr std::size_t kFramesOfName = 3;

// Where a figure is in a record, and from which change on it counts: `margin` of the median before,
// and `floor` in its own unit besides.
struct Figure {
  const char* name;
  const char* section;  // null: the record itself
  const char* key;
  Unit unit;
  double factor;
  double margin;
  double floor;
  const char* metric = nullptr;  // of a summary; null: it has the sum only
};
constexpr double kMs = 1e6;
constexpr Figure kFigures[] = {
    {"duration", nullptr, "duration_ms", Unit::kTime, kMs, 0.03, 1e5, "duration_ms"},
    {"CPU", nullptr, "cpu_ms", Unit::kTime, kMs, 0.05, 2e5, "cpu_ms"},
    {"network", "wall", "network_ms", Unit::kTime, kMs, 0.05, 1e5, "network_ms"},
    {"allocated", "memory", "allocated_bytes", Unit::kBytes, 1, 0.01, 512, "allocated_bytes"},
    {"allocations", "memory", "allocations", Unit::kCount, 1, 0.01, 1},
    {"live growth", "memory", "live_delta_bytes", Unit::kBytes, 1, 0.05, 1024},
    {"resident at most", "memory", "peak_rss_bytes", Unit::kBytes, 1, 0.02, 1 << 20,
     "peak_rss_bytes"},
    {"calls", "calls", "total", Unit::kCount, 1, 0.02, 1, "syscalls"},
};
constexpr Figure kInit = {"init", "init", "total_ms", Unit::kTime, kMs, 0.05, 1e6};
constexpr Figure kHostWait = {"wait for ", nullptr, "wait_ms", Unit::kTime, kMs, 0.05, 1e5};
constexpr Figure kHostConnects = {"connects to ", nullptr, "connects", Unit::kCount, 1, 0.02, 0.5};
constexpr Figure kSite = {"", nullptr, "allocated_bytes", Unit::kBytes, 1, 0.25, 65536};

// The figure that a name belongs to.
const Figure& figure_of(std::string_view name) {
  for (const Figure& figure : kFigures) {
    if (name == figure.name) {
      return figure;
    }
  }
  return name == kInit.name                     ? kInit
         : name.starts_with(kHostWait.name)     ? kHostWait
         : name.starts_with(kHostConnects.name) ? kHostConnects
                                                : kSite;
}

void keep(FunctionRun& run, const Figure& figure, std::string_view name, const Value& object) {
  constexpr double kMax = 1e18;  // beyond it is nonsense
  const auto value = decimal(object[figure.key]);
  if (value && std::abs(*value * figure.factor) < kMax) {
    entry_of(run.figures, name).add(*value * figure.factor);
  }
}

// Without metrics a line has no cpu_ms of its own, but the account of the thread that handled it.
void keep_cpu(FunctionRun& run, const Figure& figure, const Value& record) {
  keep(run, figure, figure.name, record["cpu_ms"].is_number() ? record : record["wall"]);
}

void add_hosts(FunctionRun& run, const Value& record) {
  for (const Value host : list(record, "network")) {
    const std::string name = text(host, "host");
    if (name.empty() || run.figures.size() > kMaxHosts) {
      continue;
    }
    keep(run, kHostWait, kHostWait.name + name, host);
    keep(run, kHostConnects, kHostConnects.name + name, host);
  }
}

// "f (a.py); g (b.py)": the innermost frames without lines, so that a moved line is no new site.
std::string site_name(const std::string& stack) {
  const Frames frames = frames_of(stack);
  std::string name;
  for (std::size_t i = 0; i < std::min(frames.size(), kFramesOfName); ++i) {
    name += (i == 0 ? "" : "; ") + frames[frames.size() - 1 - i];
  }
  return name;
}

void add_sites(FunctionRun& run, const Value& record) {
  const Value sites = list(record["memory"], "sites");
  if (sites.empty()) {
    return;
  }
  std::map<std::string, double> bytes;
  for (const Value site : sites) {
    const auto value = decimal(site["allocated_bytes"]);
    if (value && std::abs(*value) < 1e18) {
      bytes[site_name(text(site, "stack"))] += *value;
    }
  }
  for (const auto& [name, sum] : bytes) {
    if (run.sites.size() >= kMaxSites && !run.sites.contains(name)) {
      continue;
    }
    Kept& kept = run.sites[name];
    while (kept.seen() < run.records_with_sites) {
      kept.add(0);  // it was not listed before
    }
    kept.add(sum);
  }
  ++run.records_with_sites;
}

void add_events(FunctionRun& run, const Value& record) {
  for (const Value finding : list(record, "findings")) {
    const std::string code = text(finding, "code");
    if (!code.empty()) {
      run.events[code] += number(finding, "count").value_or(1);
    }
  }
  const std::string status = text(record, "status");
  if (!status.empty() && status != "ok") {
    ++run.events["status " + status];
  }
}

void add_summary(FunctionRun& run, const Value& record) {
  run.has_summaries = true;
  for (const Figure& figure : kFigures) {
    if (figure.metric == nullptr) {
      continue;
    }
    const auto by = static_cast<std::uint64_t>(figure.factor);
    for (const std::uint64_t value : values_in(record, figure.metric, by)) {
      entry_of(run.figures, figure.name).add(static_cast<double>(value));
    }
  }
}

double moved(double value, const Figure& figure) {
  return value + (std::abs(value) * figure.margin) + figure.floor;
}

std::vector<double> all_moved(std::vector<double> values, const Figure& figure) {
  for (double& value : values) {
    value = moved(value, figure);
  }
  return values;
}

Tested test(const std::string& name, const Figure& figure, const Kept& before, const Kept& after) {
  Tested tested;
  Change& change = tested.change;
  change.name = name;
  change.unit = figure.unit;
  change.before = median(before.values());
  change.after = median(after.values());
  change.values_before = before.seen();
  change.values_after = after.seen();
  const auto first = block_medians(before.values());
  const auto second = block_medians(after.values());
  if (first.size() < kFewestBlocks || second.size() < kFewestBlocks) {
    return tested;
  }
  change.difference = median_difference(first, second);
  tested.greater = probability_of_greater(all_moved(first, figure), second);
  tested.less = probability_of_greater(all_moved(second, figure), first);
  if (figure.unit == Unit::kTime) {
    tested.greater = after.least() > moved(before.least(), figure) ? tested.greater : 1;
    tested.less = before.least() > moved(after.least(), figure) ? tested.less : 1;
  }
  const double room = std::abs(change.before) * figure.margin + figure.floor;
  tested.narrow = change.difference.low >= -2 * room && change.difference.high <= 2 * room;
  return tested;
}

// What everybody asks for first, then the hosts.
std::vector<std::string> figures_of_both(const FunctionRun& before, const FunctionRun& after) {
  std::vector<std::string> names;
  const auto take = [&](const std::string& name) {
    const bool whole = !before.has_summaries && !after.has_summaries;
    const bool both = before.figures.contains(name) && after.figures.contains(name) &&
                      (whole || figure_of(name).metric != nullptr || name == kInit.name);
    if (both && std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(name);
    }
  };
  for (const Figure& figure : kFigures) {
    take(figure.name);
  }
  take(kInit.name);
  for (const auto& [name, kept] : before.figures) {
    take(name);
  }
  return names;
}

// Sites by what they allocated on both sides, the most first.
std::vector<std::string> greatest_sites(const FunctionRun& before, const FunctionRun& after) {
  std::map<std::string, double> sums;
  if (before.has_summaries || after.has_summaries) {
    return {};
  }
  for (const FunctionRun* run : {&before, &after}) {
    for (const auto& [name, kept] : run->sites) {
      for (const double value : kept.values()) {
        sums[name] +=
            value / static_cast<double>(std::max<std::uint64_t>(run->records_with_sites, 1));
      }
    }
  }
  std::vector<std::pair<double, std::string>> order;
  order.reserve(sums.size());
  for (const auto& [name, sum] : sums) {
    order.emplace_back(sum, name);
  }
  std::sort(order.rbegin(), order.rend());
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min(order.size(), kSitesCompared); ++i) {
    names.push_back(order[i].second);
  }
  return names;
}

Kept whole_site(const FunctionRun& run, const std::string& name) {
  const auto found = run.sites.find(name);
  Kept kept = found == run.sites.end() ? Kept() : found->second;
  while (kept.seen() < run.records_with_sites) {
    kept.add(0);
  }
  return kept;
}

// Everything of all functions that is compared, so that the error rate is one of the whole.
class Family {
 public:
  void add(Tested tested, std::vector<Change>& into) {
    places_.push_back({&into, nullptr, into.size(), std::move(tested)});
    into.push_back(places_.back().tested.change);
  }
  void add(EventChange event, double probability, std::vector<EventChange>& into) {
    Tested tested;
    tested.greater = event.after > event.before ? probability / 2 : 1;
    tested.less = event.after > event.before ? 1 : probability / 2;
    places_.push_back({nullptr, &into, into.size(), std::move(tested)});
    into.push_back(std::move(event));
  }

  void decide() {
    std::vector<double> probabilities;
    for (const Place& place : places_) {
      const double least = std::min(place.tested.greater, place.tested.less);
      if (least <= 1) {
        probabilities.push_back(std::min(1.0, 2 * least));
      }
    }
    const std::vector<bool> sure = rejected(probabilities, kErrorRate);
    std::size_t next = 0;
    for (Place& place : places_) {
      const Tested& tested = place.tested;
      Verdict verdict = Verdict::kCannotTell;
      if (std::min(tested.greater, tested.less) <= 1) {
        const bool changed = sure[next++];
        verdict = changed ? (tested.greater < tested.less ? Verdict::kWorse : Verdict::kBetter)
                  : tested.narrow ? Verdict::kSame
                                  : Verdict::kCannotTell;
      }
      if (place.figures != nullptr) {
        (*place.figures)[place.at].verdict = verdict;
      } else {
        (*place.events)[place.at].verdict = verdict;
      }
    }
  }

 private:
  struct Place {
    std::vector<Change>* figures;
    std::vector<EventChange>* events;
    std::size_t at;
    Tested tested;
  };
  std::vector<Place> places_;
};

void compare_functions(const FunctionRun& before, const FunctionRun& after, Family& family,
                       FunctionChanges& into) {
  into.before = before.invocations;
  into.after = after.invocations;
  for (const std::string& name : figures_of_both(before, after)) {
    const auto first = before.figures.find(name);
    const auto second = after.figures.find(name);
    family.add(test(name, figure_of(name), first->second, second->second), into.figures);
  }
  for (const std::string& name : greatest_sites(before, after)) {
    family.add(test(name, kSite, whole_site(before, name), whole_site(after, name)), into.sites);
  }
  for (const Tested& tested : compare_cpu(before.cpu, after.cpu)) {
    family.add(tested, into.cpu);
  }
  Named<std::uint64_t> names = before.events;
  names.insert(after.events.begin(), after.events.end());
  for (const auto& entry : names) {
    const std::string& name = entry.first;
    const auto count = [&name](const FunctionRun& run) {
      const auto found = run.events.find(name);
      return found == run.events.end() ? 0 : std::min(found->second, run.invocations);
    };
    const EventChange event{name, count(before), count(after), Verdict::kCannotTell};
    family.add(
        event,
        probability_of_shares(event.before, before.invocations, event.after, after.invocations),
        into.events);
  }
}

}  // namespace

void Kept::add(double value) {
  least_ = seen_ == 0 ? value : std::min(least_, value);
  if (seen_ % stride_ == 0) {
    if (values_.size() == kMax) {
      for (std::size_t i = 0; i < kMax / 2; ++i) {
        values_[i] = values_[2 * i];
      }
      values_.resize(kMax / 2);
      stride_ *= 2;
    }
    if (seen_ % stride_ == 0) {
      values_.push_back(value);
    }
  }
  ++seen_;
}

void RunFigures::add(const Value& record) {
  const std::string name = text(record, "function_name");
  FunctionRun& run = functions_[name.empty() ? "(no name)" : name];
  run.cpu.add(record);
  if (is(record, "type", "init")) {
    keep(run, kInit, kInit.name, record[kInit.section]);
    return;
  }
  const bool summary = is_summary(record);
  if (!summary && !is(record, "type", "invoke") && !is(record, "type", "run")) {
    return;
  }
  run.invocations += invocations_in(record);
  add_events(run, record);
  if (summary) {
    add_summary(run, record);
    return;
  }
  if (record["cold_start"].kind() == Value::Kind::kTrue) {
    return;  // the first invocation of an environment is another thing than all others
  }
  for (const Figure& figure : kFigures) {
    if (figure.key == std::string_view("cpu_ms")) {
      keep_cpu(run, figure, record);
    } else {
      keep(run, figure, figure.name, figure.section == nullptr ? record : record[figure.section]);
    }
  }
  add_hosts(run, record);
  add_sites(run, record);
}

Comparison compare(const RunFigures& before, const RunFigures& after) {
  Comparison comparison;
  std::vector<std::pair<const FunctionRun*, const FunctionRun*>> pairs;
  const bool renamed = before.functions().size() == 1 && after.functions().size() == 1 &&
                       before.functions().begin()->first != after.functions().begin()->first;
  for (const auto& [name, run] : before.functions()) {
    const auto found = renamed ? after.functions().begin() : after.functions().find(name);
    if (found == after.functions().end()) {
      comparison.only_before.push_back(name);
      continue;
    }
    pairs.emplace_back(&run, &found->second);
    comparison.functions.push_back(
        {renamed ? name + " and " + found->first : name, 0, 0, {}, {}, {}, {}});
  }
  for (const auto& [name, run] : after.functions()) {
    if (!renamed && !before.functions().contains(name)) {
      comparison.only_after.push_back(name);
    }
  }
  Family family;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    compare_functions(*pairs[i].first, *pairs[i].second, family, comparison.functions[i]);
  }
  family.decide();
  return comparison;
}

}  // namespace lamprey::cli
