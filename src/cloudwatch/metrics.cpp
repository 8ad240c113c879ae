// The metrics of a line; see the header.
#include "cloudwatch/metrics.h"

#include <vector>

#include "report/model/summary_figures.h"

namespace lamprey::cloudwatch {
namespace {

using report::Report;

struct Named {
  const char* name;
  const char* unit;
};
constexpr const char* kMs = "Milliseconds";
constexpr Named kNames[report::kMetrics] = {
    {"duration_ms", kMs},         {"cpu_ms", kMs},         {"network_ms", kMs},
    {"allocated_bytes", "Bytes"}, {"live_bytes", "Bytes"}, {"peak_rss_bytes", "Bytes"},
    {"syscalls", "Count"},        {"warnings", "Count"},   {"flush_ms", kMs}};
constexpr auto kDuration = static_cast<std::size_t>(report::Metric::kDuration);
constexpr auto kCpu = static_cast<std::size_t>(report::Metric::kCpu);

bool is_time(const Named& metric) { return metric.unit == kMs; }

std::string directive_entry(const Named& metric) {
  Object entry;
  entry.add("Name", metric.name);
  entry.add("Unit", metric.unit);
  return entry.text();
}

std::vector<std::string> add_figures(Object& line, const report::MetricFigures& figures) {
  std::vector<std::string> named;
  for (std::size_t i = 0; i < figures.size(); ++i) {
    const Named& metric = kNames[i];
    if (!figures[i]) {
      continue;
    }
    if (i == kDuration) {
      // is there already
    } else if (is_time(metric)) {
      add_ms(line, metric.name, static_cast<std::uint64_t>(*figures[i]));
    } else {
      line.add(metric.name, *figures[i]);
    }
    named.push_back(directive_entry(metric));
  }
  return named;
}

// {"Values":[..],"Counts":[..]}. What is the same once it is written is one value.
Object distribution_object(const report::Distribution& figures, bool time) {
  std::string values;
  std::string counts;
  std::vector<report::Distribution::Value> entries = figures.values();
  for (report::Distribution::Value& entry : entries) {
    entry.value = time ? (entry.value + 500) / 1000 : entry.value;
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i + 1 < entries.size() && entries[i + 1].value == entries[i].value) {
      entries[i + 1].count += entries[i].count;
      continue;
    }
    const char separator = values.empty() ? '[' : ',';
    values.push_back(separator);
    counts.push_back(separator);
    if (time) {
      append_thousandths(values, entries[i].value);
    } else {
      append_number(values, entries[i].value);
    }
    append_number(counts, entries[i].count);
  }
  Object object;
  object.add_json("Values", values + "]");
  object.add_json("Counts", counts + "]");
  return object;
}

void add_directive(Object& line, const Report& report, const LineOptions& options,
                   const std::vector<std::string>& metrics) {
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

}  // namespace

void add_metrics(Object& line, const Report& report, const LineOptions& options) {
  const bool metrics = options.metrics && !report.function_name.empty();
  if (report.summary && metrics) {
    std::vector<std::string> named;
    for (std::size_t i = 0; i < report::kMetrics; ++i) {
      if (report.summary->metrics[i].count != 0) {
        named.push_back(directive_entry(kNames[i]));
      }
    }
    add_directive(line, report, options, named);
  }
  if (report.type != report::Type::kInvoke) {
    return;
  }
  const report::MetricFigures figures = report::metric_figures(report);
  if (metrics) {
    add_directive(line, report, options, add_figures(line, figures));
  } else if (figures[kCpu]) {  // a short line says it nowhere else
    add_ms(line, kNames[kCpu].name, static_cast<std::uint64_t>(*figures[kCpu]));
  }
}

Object distributions(const Report& report) {
  Object objects;
  if (report.summary) {
    for (std::size_t i = 0; i < report::kMetrics; ++i) {
      if (report.summary->metrics[i].count != 0) {
        objects.add(kNames[i].name,
                    distribution_object(report.summary->metrics[i], is_time(kNames[i])));
      }
    }
  }
  return objects;
}

}  // namespace lamprey::cloudwatch
