// `memory`: what was allocated, what is live, what the kernel holds; see docs/record.md.
#include "cloudwatch/sections.h"

namespace lamprey::cloudwatch {

using report::Report;

namespace {

Json sites_json(const std::vector<report::MemorySite>& sites, std::size_t most) {
  Json list = Json::array();
  for (const report::MemorySite& site : sites) {
    if (list.size() == most) {
      break;
    }
    Json entry;
    entry["live_bytes"] = site.live_bytes;
    entry["live_delta_bytes"] = site.live_delta_bytes;
    entry["allocated_bytes"] = site.allocated_bytes;
    entry["allocations"] = site.allocations;
    entry["stack"] = cut(site.stack_text, kMostStackText);
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace

Json memory_json(const Report& report, std::size_t most_sites) {
  Json memory;
  if (report.memory) {
    const report::MemoryFigures& m = *report.memory;
    memory["allocations"] = m.allocations;
    memory["frees"] = m.frees;
    memory["reallocations"] = m.reallocations;
    memory["allocated_bytes"] = m.allocated_bytes;
    memory["freed_bytes"] = m.freed_bytes;
    memory["live_bytes"] = m.live_bytes;
    memory["live_delta_bytes"] = m.live_delta_bytes;
    put(memory, "peak_live_bytes", m.peak_live_bytes);
    put(memory, "retained_bytes", m.retained_bytes);
    memory["failed"] = m.failed;
  }
  put(memory, "rss_bytes", report.process.rss_bytes);
  put(memory, "peak_rss_bytes", report.process.peak_rss_bytes);
  if (report.memory_limit_mb) {
    memory["limit_bytes"] = *report.memory_limit_mb * 1024 * 1024;
  }
  if (report.memory) {
    put_object(memory, "sites", sites_json(report.memory->sites, most_sites));
  }
  return memory;
}

}  // namespace lamprey::cloudwatch
