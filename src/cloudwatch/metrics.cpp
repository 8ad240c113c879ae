// The metrics of a line; see the header.
#include "cloudwatch/metrics.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace lamprey::cloudwatch {
namespace {

using report::Report;

std::optional<std::uint64_t> cpu_of(const Report& report) {
  const auto& user = report.process.cpu_user_ns;
  const auto& system = report.process.cpu_system_ns;
  return user && system ? std::optional(*user + *system) : std::nullopt;
}

std::vector<std::string> add_figures(Object& line, const Report& report) {
  std::vector<std::string> named;
  const auto name = [&named](const char* metric, const char* unit) {
    Object entry;
    entry.add("Name", metric);
    entry.add("Unit", unit);
    named.push_back(entry.text());
  };
  const auto add = [&line, &name](const char* metric, const char* unit, auto value) {
    line.add(metric, value);
    name(metric, unit);
  };
  const auto time = [&line, &name](const char* metric, std::uint64_t ns) {
    add_ms(line, metric, ns);
    name(metric, "Milliseconds");
  };
  if (report.duration_ns) {
    name("duration_ms", "Milliseconds");
  }
  if (const auto cpu_ns = cpu_of(report)) {
    time("cpu_ms", *cpu_ns);
  }
  if (report.wall) {
    time("network_ms", report.wall->network_ns);
  }
  if (report.memory) {
    add("allocated_bytes", "Bytes", report.memory->allocated_bytes);
  }
  if (report.memory && report.memory->live_bytes) {
    add("live_bytes", "Bytes", *report.memory->live_bytes);
  }
  if (report.process.peak_rss_bytes) {
    add("peak_rss_bytes", "Bytes", *report.process.peak_rss_bytes);
  }
  if (report.calls) {
    add("syscalls", "Count", report.calls->total);
  }
  add("warnings", "Count",
      std::count_if(report.findings.begin(), report.findings.end(), [](const report::Finding& f) {
        return f.severity != report::Severity::kInfo;
      }));
  if (report.self.flush_ns) {
    time("flush_ms", *report.self.flush_ns);
  }
  return named;
}

}  // namespace

void add_metrics(Object& line, const Report& report, const LineOptions& options) {
  if (report.type != report::Type::kInvoke) {
    return;
  }
  if (!options.metrics || report.function_name.empty()) {
    if (const auto cpu_ns = cpu_of(report)) {  // a short line says it nowhere else
      add_ms(line, "cpu_ms", *cpu_ns);
    }
    return;
  }
  const std::vector<std::string> metrics = add_figures(line, report);
  std::string names = "[\"function_name\"";
  for (const auto& [name, value] : options.dimensions) {
    line.add(name, value);
    names.push_back(',');
    append_quoted(names, name);
  }
  names.push_back(']');
  Object directive;
  directive.add("Namespace", options.metric_namespace);
  directive.add("Dimensions", {names}, 1);
  directive.add("Metrics", metrics, metrics.size());
  Object aws;
  aws.add("Timestamp",
          report.started_real_ns ? *report.started_real_ns / 1'000'000U : options.now_ms);
  aws.add("CloudWatchMetrics", {directive.text()}, 1);
  line.add("_aws", aws);
}

}  // namespace lamprey::cloudwatch
