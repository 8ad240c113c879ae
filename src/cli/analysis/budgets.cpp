// Holding records against budgets; see the header. How a line is read stands in budget_line.cpp.
#include "cli/analysis/budgets.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>

#include "cli/input/json_values.h"
#include "cli/input/summaries.h"
#include "report/text/human.h"

namespace lamprey::cli {
namespace {

constexpr double kMax = 9e18;
constexpr double kSteps = 1000;  // a figure without a unit is kept to a thousandth

int severity_of(std::string_view word) {
  return word == "critical" ? 3 : word == "warning" ? 2 : word == "info" ? 1 : 0;
}

const char* severity_name(int severity) {
  constexpr const char* kNames[] = {"none", "info", "warning", "critical"};
  return kNames[severity];
}

// The member that `key` names: with its section ("memory.live_bytes"), or the first that there is.
Value figure(const Value& record, const std::string& key) {
  const std::size_t dot = key.find('.');
  if (dot != std::string::npos) {
    return record[std::string_view(key).substr(0, dot)][std::string_view(key).substr(dot + 1)];
  }
  if (const Value direct = record[key]; direct.is_number()) {
    return direct;
  }
  for (const char* section : {"memory", "wall", "system", "calls", "cpu", "self"}) {
    if (const Value found = record[section][key]; found.is_number()) {
      return found;
    }
  }
  return {};
}

// The metric of a summary that is this figure; empty: a summary has its sum only.
std::string_view metric_of(std::string_view key) {
  constexpr std::pair<std::string_view, std::string_view> kSame[] = {
      {"wall.network_ms", "network_ms"},   {"memory.allocated_bytes", "allocated_bytes"},
      {"memory.live_bytes", "live_bytes"}, {"memory.peak_rss_bytes", "peak_rss_bytes"},
      {"calls.total", "syscalls"},         {"self.flush_ms", "flush_ms"},
      {"system.cpu_total_time", "cpu_ms"}, {"total", "syscalls"},
      {"cpu_total_time", "cpu_ms"}};
  for (const auto& [name, metric] : kSame) {
    if (key == name) {
      return metric;
    }
  }
  return key.find('.') == std::string_view::npos ? key : std::string_view();
}

double factor_of(Budget::Unit unit) {
  return unit == Budget::Unit::kMs ? 1e6 : unit == Budget::Unit::kBytes ? 1 : kSteps;
}

std::string in_words(double value, Budget::Unit unit) {
  switch (unit) {
    case Budget::Unit::kMs:
      return report::human_duration(static_cast<std::uint64_t>(value * 1e6));
    case Budget::Unit::kBytes:
      return report::human_bytes(static_cast<std::int64_t>(value));
    case Budget::Unit::kNone:
      break;
  }
  return fmt::format("{:g}", value);
}

// The figure that a budget speaks of, in its unit.
double number_of(const Budget& budget, const Series& values) {
  if (budget.number == "mean") {
    return values.sum() / static_cast<double>(values.count()) / factor_of(budget.unit);
  }
  const double percent = budget.number == "max"   ? 100
                         : budget.number == "min" ? 0
                                                  : std::strtod(budget.number.c_str() + 1, nullptr);
  return static_cast<double>(values.percentile(percent).value_or(0)) / factor_of(budget.unit);
}

bool keeps(const Budget& budget, double value) {
  if (value == budget.bound) {
    return budget.inclusive;
  }
  return budget.upper == (value < budget.bound);
}

}  // namespace

std::string Budgets::demand(const std::string& severity_or_file) {
  if (const int severity = severity_of(severity_or_file); severity != 0) {
    worst_ = worst_ == 0 ? severity : std::min(worst_, severity);
    return {};
  }
  errno = 0;
  std::ifstream file(severity_or_file);
  std::string line;
  std::size_t number = 0;
  if (!file) {
    return fmt::format(
        "--fail-on {}: is no severity (info, warning, critical), and no file of budgets: {}",
        severity_or_file, std::strerror(errno == 0 ? ENOENT : errno));
  }
  const std::size_t before = budgets_.size();
  while (std::getline(file, line)) {
    std::string complaint;
    const std::string place = fmt::format("{} line {}", severity_or_file, ++number);
    const auto budget = parse_budget(line, place, complaint);
    if (!complaint.empty()) {
      return "--fail-on " + complaint;
    }
    if (budget) {
      budgets_.push_back(*budget);
    }
  }
  return budgets_.size() == before
             ? fmt::format("--fail-on {}: holds no budget; one is: duration_ms p99 <= 800 ms",
                           severity_or_file)
             : std::string();
}

void Budgets::hold(std::size_t index, const std::string& function, const Value& record) {
  const Budget& budget = budgets_[index];
  Held& held = held_[function][index];
  if (budget.kind == Budget::Kind::kNotOk) {
    held.records += invocations_in(record);
    held.hits += is(record, "status", "ok") ? 0 : 1;
  } else if (budget.kind == Budget::Kind::kFinding) {
    held.records += invocations_in(record);
    for (const Value finding : list(record, "findings")) {
      held.hits += is(finding, "code", budget.key) ? number(finding, "count").value_or(1) : 0;
    }
  } else if (is_summary(record)) {
    const auto by = static_cast<std::uint64_t>(factor_of(budget.unit));
    for (const std::uint64_t value : values_in(record, metric_of(budget.key), by)) {
      ++held.records;
      held.values.add(value);
    }
  } else if (const auto value = decimal(figure(record, budget.key))) {
    ++held.records;
    held.values.add(static_cast<std::uint64_t>(
        std::llround(std::clamp(*value * factor_of(budget.unit), 0.0, kMax))));
  }
}

void Budgets::add(const Value& record) {
  const bool init = is(record, "type", "init");
  if (!init && !is_summary(record) && !is(record, "type", "invoke") && !is(record, "type", "run")) {
    return;
  }
  std::string function = text(record, "function_name");
  function = function.empty() ? "(no name)" : function;
  invocations_[function] += init ? 0 : invocations_in(record);
  for (const Value finding : list(record, "findings")) {
    FindingCount& count = findings_[function][text(finding, "code")];
    count.count += number(finding, "count").value_or(1);
    count.severity = std::max(count.severity, severity_of(finding["severity"].raw()));
  }
  for (std::size_t i = 0; i < budgets_.size(); ++i) {
    const Budget& budget = budgets_[i];
    const bool of_init = budget.key.starts_with("init.");
    const bool both = budget.kind == Budget::Kind::kFinding;
    if ((budget.function.empty() || budget.function == function) && (both || of_init == init)) {
      hold(i, function, record);
    }
  }
}

void Budgets::broken_findings(std::vector<std::string>& lines) const {
  for (const auto& [function, codes] : findings_) {
    for (const auto& [code, finding] : codes) {
      if (worst_ != 0 && finding.severity >= worst_) {
        lines.push_back(fmt::format("{}: {} ({}) in {} records: --fail-on {}", function, code,
                                    severity_name(finding.severity),
                                    report::human_count(finding.count), severity_name(worst_)));
      }
    }
  }
}

void Budgets::broken_budgets(std::vector<std::string>& lines) const {
  std::vector<bool> any(budgets_.size(), false);
  for (const auto& [function, by_budget] : held_) {
    for (const auto& [index, held] : by_budget) {
      if (held.records == 0) {
        continue;
      }
      any[index] = true;
      const Budget& budget = budgets_[index];
      const bool figure = budget.kind == Budget::Kind::kFigure;
      const auto invocations = static_cast<double>(held.records);
      const double value = figure           ? number_of(budget, held.values)
                           : budget.percent ? static_cast<double>(held.hits) / invocations * 100
                                            : static_cast<double>(held.hits);
      if (keeps(budget, value)) {
        continue;
      }
      const std::string what = budget.kind == Budget::Kind::kNotOk ? "not_ok" : budget.key;
      lines.push_back(fmt::format("{}: {}: {}{} is {}{} in {} records; the budget is {}",
                                  budget.place, function, what, figure ? " " + budget.number : "",
                                  in_words(value, budget.unit),
                                  budget.percent ? " %"
                                  : figure       ? ""
                                                 : " times",
                                  report::human_count(held.records), budget.bound_text));
    }
  }
  for (std::size_t i = 0; i < budgets_.size(); ++i) {
    if (!any[i]) {
      const Budget& budget = budgets_[i];
      lines.push_back(fmt::format("{}: no record {}{} could be held against it", budget.place,
                                  budget.function.empty() ? "" : "of " + budget.function + " ",
                                  "with " + budget.key));
    }
  }
}

std::vector<std::string> Budgets::broken() const {
  std::vector<std::string> lines;
  broken_findings(lines);
  broken_budgets(lines);
  return lines;
}

}  // namespace lamprey::cli
