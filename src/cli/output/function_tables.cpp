// Tables of functions; see the header.
#include "cli/output/function_tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/analysis/fleet_overview.h"
#include "cli/output/tables.h"
#include "report/text/human.h"

namespace lamprey::cli {
namespace {

using report::human_bytes;
using report::human_count;
using report::human_duration;

constexpr std::size_t kTopCalls = 10;
constexpr std::size_t kTopHosts = 5;
constexpr std::size_t kTopCpu = 10;
constexpr std::size_t kOverviewWords = 7;  // the column of the findings

std::string duration(std::uint64_t ns) { return human_duration(ns); }
std::string bytes(std::uint64_t count) { return human_bytes(static_cast<std::int64_t>(count)); }

std::vector<std::string> figures(const char* name, const Series& series,
                                 std::string (*words)(std::uint64_t)) {
  std::vector<std::string> row{name};
  for (const int percent : {50, 99, 100}) {
    const auto value = series.percentile(percent);
    row.push_back(value ? words(*value) : "-");
  }
  return row;
}

std::string statuses(const FunctionSum& sum) {
  std::string joined;
  for (const auto& [status, count] : sum.statuses) {
    joined += fmt::format("{}{} {}", joined.empty() ? "" : ", ", human_count(count), status);
  }
  return joined;
}

std::string function_tables(const std::string& name, const FunctionSum& sum) {
  std::string out =
      table({{"function " + name, ""},
             {"invocations", fmt::format("{} ({})", human_count(sum.invocations), statuses(sum))},
             {"cold starts",
              human_count(std::max<std::uint64_t>(sum.cold_starts, sum.inits_ns.count()))}});
  out += "\n";
  out += table({{"", "p50", "p99", "max"},
                figures("init", sum.inits_ns, duration),
                figures("duration", sum.durations_ns, duration),
                figures("allocated", sum.allocated, bytes),
                figures("live", sum.live, bytes)});
  const Rows findings = finding_rows(sum);
  const Rows ends = bad_end_rows(sum);
  const Rows cpu = cpu_rows(sum.cpu, kTopCpu);
  const Rows hosts = host_rows(sum, kTopHosts);
  const Rows calls = call_rows(sum, kTopCalls);
  const Rows kernel = kernel_rows(sum, kTopCalls);
  out += findings.empty() ? "" : "\n" + table(findings, 3);
  out += ends.empty() ? "" : "\n" + table(ends, 1);
  out += cpu.empty() ? "" : "\n" + table(cpu);
  out += hosts.empty() ? "" : "\n" + table(hosts);
  out += calls.empty() ? "" : "\n" + table(calls);
  out += kernel.empty() ? "" : "\n" + table(kernel);
  return out;
}

}  // namespace

std::string functions_tables(const std::map<std::string, FunctionSum>& functions) {
  const std::vector<NamedSum> order = by_trouble(functions);
  std::string out = order.size() > 1 ? table(overview_rows(order), kOverviewWords) : "";
  for (const auto& [name, sum] : order) {
    out += (out.empty() ? "" : "\n") + function_tables(name, *sum);
  }
  return out;
}

}  // namespace lamprey::cli
