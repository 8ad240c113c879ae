// `system`, `coverage` and `self`: the process, what was not seen of it, and the cost of seeing it;
// see docs/record.md.
#include "cloudwatch/sections.h"

#include "version.h"

namespace lamprey::cloudwatch {

using report::Report;

Object system_section(const Report& report) {
  const report::ProcessFigures& p = report.process;
  Object system;
  put_ms(system, "cpu_user_time", p.cpu_user_ns);
  put_ms(system, "cpu_system_time", p.cpu_system_ns);
  if (p.cpu_user_ns && p.cpu_system_ns) {
    add_ms(system, "cpu_total_time", *p.cpu_user_ns + *p.cpu_system_ns);
  }
  put(system, "total_memory", report.memory_limit_mb);
  if (p.peak_rss_bytes) {
    const std::uint64_t used_mb = p.all_peak_rss_bytes.value_or(*p.peak_rss_bytes) >> 20U;
    system.add("used_memory_max", used_mb);
    if (report.memory_limit_mb && *report.memory_limit_mb != 0) {
      system.add("memory_utilization", used_mb * 100 / *report.memory_limit_mb);
    }
  }
  put(system, "tmp_used", p.tmp_used);
  put(system, "tmp_max", p.tmp_max);
  put(system, "fd_use", p.fd_use);
  put(system, "fd_max", p.fd_max);
  put(system, "threads_max", p.threads);
  put(system, "rx_bytes", p.rx_bytes);
  put(system, "tx_bytes", p.tx_bytes);
  if (p.rx_bytes && p.tx_bytes) {
    system.add("total_network", *p.rx_bytes + *p.tx_bytes);
  }
  return system;
}

Object coverage_section(const Report& report) {
  Object coverage;
  coverage.add("mode", report.coverage.mode);
  put(coverage, "sampled", report.coverage.sampled_bytes);
  return coverage;
}

Entries unseen_entries(const Report& report) {
  Entries entries;
  for (const std::string& text : report.coverage.unseen) {
    if (entries.size() < kMaxVital) {
      append_quoted(entries.emplace_back(), cut(text));
    }
  }
  return entries;
}

Object lost_section(const Report& report) {
  const report::Coverage& c = report.coverage;
  Object lost;
  const auto count = [&lost](const char* key, std::uint64_t value) {
    if (value != 0) {
      lost.add(key, value);
    }
  };
  count("invocations", c.invocations_lost);
  count("threads_without_slot", c.threads_without_slot);
  count("rows_refused", c.rows_refused);
  count("traffic_dropped", c.traffic_dropped);
  count("boundaries_missed", c.boundaries_missed);
  count("stacks", c.stacks_refused);
  count("modules", c.modules_refused);
  count("functions", c.functions_refused);
  count("samples", c.samples_unplaced);
  count("mappings", c.mappings_unfollowed);
  count("targets_refused", c.targets_refused);
  return lost;
}

Object self_section(const Report& report, Form form) {
  Object self;
  put_ms(self, "flush_ms", report.self.flush_ns);
  if (form == Form::kFull) {
    put_ms(self, "attach_ms", report.self.attach_ns);
    put(self, "companion_rss_bytes", report.self.companion_rss_bytes);
    put(self, "recording_bytes", report.self.recording_bytes);
  }
  self.add("dropped", report.self.dropped);
  self.add("version", kVersion);
  return self;
}

}  // namespace lamprey::cloudwatch
