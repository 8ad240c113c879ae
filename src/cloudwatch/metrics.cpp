// The metrics of a line; see the header.
#include "cloudwatch/metrics.h"

#include <algorithm>

namespace lamprey::cloudwatch {

void add_metrics(Json& line, const report::Report& report, const LineOptions& options) {
  if (!options.metrics || report.type != report::Type::kInvoke || report.function_name.empty()) {
    return;
  }
  Json metrics = Json::array();
  const auto metric = [&](const char* name, const char* unit) {
    if (line.contains(name)) {
      metrics.push_back({{"Name", name}, {"Unit", unit}});
    }
  };
  if (report.process.cpu_user_ns && report.process.cpu_system_ns) {
    line["cpu_ms"] = ms(*report.process.cpu_user_ns + *report.process.cpu_system_ns);
  }
  if (report.wall) {
    line["network_ms"] = ms(report.wall->network_ns);
  }
  if (report.memory) {
    line["allocated_bytes"] = report.memory->allocated_bytes;
    line["live_bytes"] = report.memory->live_bytes;
  }
  put(line, "peak_rss_bytes", report.process.peak_rss_bytes);
  if (report.calls) {
    line["syscalls"] = report.calls->total;
  }
  line["warnings"] =
      std::count_if(report.findings.begin(), report.findings.end(),
                    [](const report::Finding& f) { return f.severity != report::Severity::kInfo; });
  put_ms(line, "flush_ms", report.self.flush_ns);
  metric("duration_ms", "Milliseconds");
  metric("cpu_ms", "Milliseconds");
  metric("network_ms", "Milliseconds");
  metric("allocated_bytes", "Bytes");
  metric("live_bytes", "Bytes");
  metric("peak_rss_bytes", "Bytes");
  metric("syscalls", "Count");
  metric("warnings", "Count");
  metric("flush_ms", "Milliseconds");
  const std::uint64_t at_ms =
      report.started_real_ns ? *report.started_real_ns / 1'000'000U : options.now_ms;
  Json directive;
  directive["Namespace"] = options.metric_namespace;
  Json names = Json::array({"function_name"});
  for (const auto& [name, value] : options.dimensions) {
    line[name] = value;
    names.push_back(name);
  }
  directive["Dimensions"] = Json::array({std::move(names)});
  directive["Metrics"] = std::move(metrics);
  line["_aws"] = {{"Timestamp", at_ms}, {"CloudWatchMetrics", Json::array({directive})}};
}

}  // namespace lamprey::cloudwatch
