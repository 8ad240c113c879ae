// How long a full line takes to build from a report: 200 call sites with stacks, every call of the
// table, 20 findings, 20 threads blocked. Prints the median and the longest of 2,000, in µs, and
// the line's bytes. Budget: 300 µs.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "cloudwatch/line.h"
#include "recording/reader.h"

namespace {

using lamprey::report::Report;

std::string stack_of(int depth) {
  std::string text;
  for (int i = 0; i < depth; ++i) {
    text += fmt::format("{}function_{} (module.so +0x{:x})", i == 0 ? "" : "; ", i, i * 4096);
  }
  return text;
}

Report large() {
  Report report;
  report.request_id = "8f5e41f0-96d4-4a0e-b33b-3e2f8e1f3a11";
  report.function_name = "orders";
  report.headline = std::string(200, 'h');
  report.cold_start = true;
  report.invocation = 1;
  report.duration_ns = report.response_ns = 412'345'678;
  report.memory = lamprey::report::MemoryFigures{};
  for (int i = 0; i < 200; ++i) {
    lamprey::report::MemorySite site;
    site.live_bytes = 1'000'000 - i;
    site.stack_text = stack_of(16);
    report.memory->sites.push_back(site);
  }
  report.calls = lamprey::report::CallsFigures{};
  for (std::size_t i = 0; i < lamprey::recording::kCallCount; ++i) {
    report.calls->by_time.push_back(
        {static_cast<lamprey::recording::Call>(i), 1000, 3, 5000, 1'234'567, 1000, 2500, 3000});
  }
  for (int i = 0; i < 20; ++i) {
    report.findings.push_back({"network.reconnect",
                               lamprey::report::Severity::kWarning,
                               std::string(120, 't'),
                               std::string(120, 'a'),
                               {{"connects", i}}});
    lamprey::report::Blocked blocked;
    blocked.tid = i;
    blocked.call = lamprey::recording::Call::k_poll;
    blocked.for_ns = 5;
    blocked.target = "10.0.0.1:5432 (db)";
    report.blocked.push_back(blocked);
  }
  return report;
}

}  // namespace

int main() {
  const Report report = large();
  lamprey::cloudwatch::LineOptions options;
  options.detail = lamprey::cloudwatch::Detail::kFull;
  std::vector<std::uint64_t> times;
  std::size_t bytes = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t begin = lamprey::recording::monotonic_ns();
    bytes = lamprey::cloudwatch::to_line(report, options).size();
    times.push_back(lamprey::recording::monotonic_ns() - begin);
  }
  std::sort(times.begin(), times.end());
  std::printf("line of %zu bytes: median %.1f us, longest %.1f us, budget 300 us\n", bytes,
              static_cast<double>(times[times.size() / 2]) / 1000.0,
              static_cast<double>(times.back()) / 1000.0);
  return times[times.size() / 2] > 300'000 ? 1 : 0;
}
