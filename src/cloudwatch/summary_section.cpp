// `summary`: of how many invocations a record is the sum; see docs/record.md.
#include "cloudwatch/sections.h"
#include "report/model/summary_figures.h"

namespace lamprey::cloudwatch {

using report::Report;

namespace {

const report::Distribution& metric_of(const report::SummaryFigures& figures,
                                      report::Metric metric) {
  return figures.metrics[static_cast<std::size_t>(metric)];
}

}  // namespace

// The sums that queries ask for stand here as plain numbers: the metrics at the root are objects.
Object summary_section(const Report& report) {
  Object summary;
  if (!report.summary) {
    return summary;
  }
  const report::SummaryFigures& s = *report.summary;
  summary.add("invocations", s.invocations);
  if (report.started_real_ns && s.end_real_ns > *report.started_real_ns) {
    add_ms(summary, "span_ms", s.end_real_ns - *report.started_real_ns);
  }
  const report::Distribution& duration = metric_of(s, report::Metric::kDuration);
  if (duration.count != 0) {
    add_ms(summary, "duration_ms", duration.sum);
    add_ms(summary, "duration_min_ms", duration.min);
    add_ms(summary, "duration_max_ms", duration.max);
  }
  const report::Distribution& cpu = metric_of(s, report::Metric::kCpu);
  if (cpu.count != 0) {
    add_ms(summary, "cpu_ms", cpu.sum);
  }
  const report::Distribution& flush = metric_of(s, report::Metric::kFlush);
  if (flush.count != 0) {
    add_ms(summary, "flush_ms", flush.sum);
  }
  if (s.responses != 0) {
    summary.add("responses", s.responses);
    add_ms(summary, "response_ms", s.response_ns);
    summary.add("response_bytes", s.response_bytes);
  }
  if (s.billed != 0) {
    summary.add("billed", s.billed);
    summary.add("billed_ms", s.billed_ms);
    summary.add("max_memory_mb", s.max_memory_mb);
  }
  if (s.platform_init_ns != 0) {
    add_ms(summary, "init_ms", s.platform_init_ns);
  }
  if (s.platform_restore_ns != 0) {
    add_ms(summary, "restore_ms", s.platform_restore_ns);
  }
  return summary;
}

}  // namespace lamprey::cloudwatch
