// Which figure of a report is which metric; see the header.
#include "report/model/metric_figures.h"

#include <algorithm>

#include "report/model/report.h"

namespace lamprey::report {
namespace {

std::optional<std::int64_t> as_signed(const std::optional<std::uint64_t>& value) {
  return value ? std::optional(static_cast<std::int64_t>(*value)) : std::nullopt;
}

}  // namespace

MetricFigures metric_figures(const Report& report) {
  MetricFigures figures;
  const auto at = [&figures](Metric metric) -> std::optional<std::int64_t>& {
    return figures[static_cast<std::size_t>(metric)];
  };
  at(Metric::kDuration) = as_signed(report.duration_ns);
  const auto& user = report.process.cpu_user_ns;
  const auto& system = report.process.cpu_system_ns;
  if (user && system) {
    at(Metric::kCpu) = as_signed(*user + *system);
  }
  if (report.wall) {
    at(Metric::kNetwork) = as_signed(report.wall->network_ns);
  }
  if (report.memory) {
    at(Metric::kAllocated) = as_signed(report.memory->allocated_bytes);
    at(Metric::kLive) = report.memory->live_bytes;
  }
  at(Metric::kPeakRss) = as_signed(report.process.peak_rss_bytes);
  if (report.calls) {
    at(Metric::kSyscalls) = as_signed(report.calls->total);
  }
  at(Metric::kWarnings) =
      std::count_if(report.findings.begin(), report.findings.end(),
                    [](const Finding& f) { return f.severity != Severity::kInfo; });
  at(Metric::kFlush) = as_signed(report.self.flush_ns);
  return figures;
}

}  // namespace lamprey::report
