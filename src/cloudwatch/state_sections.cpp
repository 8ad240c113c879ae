// `system`, `coverage` and `self`: the process, what was not seen of it, and the cost of seeing it;
// see docs/record.md.
#include "cloudwatch/sections.h"

#include "version.h"

namespace lamprey::cloudwatch {

using report::Report;

Json system_json(const Report& report) {
  const report::ProcessFigures& p = report.process;
  Json system;
  put_ms(system, "cpu_user_time", p.cpu_user_ns);
  put_ms(system, "cpu_system_time", p.cpu_system_ns);
  if (p.cpu_user_ns && p.cpu_system_ns) {
    system["cpu_total_time"] = ms(*p.cpu_user_ns + *p.cpu_system_ns);
  }
  put(system, "total_memory", report.memory_limit_mb);
  if (p.peak_rss_bytes) {
    const std::uint64_t used_mb = *p.peak_rss_bytes >> 20U;
    system["used_memory_max"] = used_mb;
    if (report.memory_limit_mb && *report.memory_limit_mb != 0) {
      system["memory_utilization"] = used_mb * 100 / *report.memory_limit_mb;
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
    system["total_network"] = *p.rx_bytes + *p.tx_bytes;
  }
  return system;
}

Json coverage_json(const Report& report, const Amount& amount) {
  const report::Coverage& c = report.coverage;
  Json coverage;
  coverage["mode"] = c.mode;
  put(coverage, "sampled", c.sampled_bytes);
  Json unseen = Json::array();
  for (const std::string& text : c.unseen) {
    if (unseen.size() < amount.unseen) {
      unseen.push_back(cut(text));
    }
  }
  put_object(coverage, "unseen", std::move(unseen));
  Json lost;
  const auto count = [&lost](const char* key, std::uint64_t value) {
    if (value != 0) {
      lost[key] = value;
    }
  };
  count("invocations", c.invocations_lost);
  count("threads_without_slot", c.threads_without_slot);
  count("rows_refused", c.rows_refused);
  count("traffic_dropped", c.traffic_dropped);
  count("boundaries_missed", c.boundaries_missed);
  count("stacks", c.stacks_refused);
  count("modules", c.modules_refused);
  count("samples", c.samples_unplaced);
  count("mappings", c.mappings_unfollowed);
  count("targets_refused", c.targets_refused);
  put_object(coverage, "lost", std::move(lost));
  if (!amount.truncated.empty()) {
    coverage["truncated"] = amount.truncated;
  }
  return coverage;
}

Json self_json(const Report& report, const Amount& amount) {
  Json self;
  put_ms(self, "flush_ms", report.self.flush_ns);
  if (amount.full) {
    put_ms(self, "attach_ms", report.self.attach_ns);
    put(self, "companion_rss_bytes", report.self.companion_rss_bytes);
    put(self, "recording_bytes", report.self.recording_bytes);
  }
  self["dropped"] = report.self.dropped;
  self["version"] = kVersion;
  return self;
}

}  // namespace lamprey::cloudwatch
