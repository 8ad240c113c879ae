// `memory`: what was allocated, what is live, what the kernel holds; see docs/record.md.
#include "cloudwatch/sections.h"

namespace lamprey::cloudwatch {

using report::Report;

namespace {

// The innermost frames of "f (a.so +0x1); g (b.so +0x2); ...", whole ones, in at most `most` bytes.
std::string innermost(const std::string& stack, std::size_t most) {
  if (stack.size() <= most) {
    return stack;
  }
  const std::size_t end = stack.rfind("; ", most);
  return stack.substr(0, end == std::string::npos ? most : end) + "; ...";
}

Json sites_json(const std::vector<report::MemorySite>& sites, const Amount& amount) {
  const std::size_t most_text = amount.full ? kMostStackText : kMostStackTextShort;
  Json list = Json::array();
  for (const report::MemorySite& site : sites) {
    if (list.size() == amount.sites) {
      break;
    }
    Json entry;
    entry["live_bytes"] = site.live_bytes;
    entry["live_delta_bytes"] = site.live_delta_bytes;
    entry["allocated_bytes"] = site.allocated_bytes;
    entry["allocations"] = site.allocations;
    entry["churn_bytes"] = site.churn_bytes;
    put(entry, "peak_bytes", site.peak_bytes);
    entry["stack"] = innermost(site.stack_text, most_text);
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace

Json memory_json(const Report& report, const Amount& amount) {
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
    put(memory, "mapped_bytes", m.mapped_bytes);
    put(memory, "arenas", m.arenas);
    put(memory, "thread_stacks_bytes", m.thread_stacks_bytes);
    put(memory, "file_mapped_bytes", m.file_mapped_bytes);
    memory["failed"] = m.failed;
    memory["maps"] = m.maps;
    memory["map_bytes"] = m.map_bytes;
    memory["unmap_bytes"] = m.unmap_bytes;
  }
  put(memory, "rss_bytes", report.process.rss_bytes);
  put(memory, "peak_rss_bytes", report.process.peak_rss_bytes);
  if (report.memory_limit_mb) {
    memory["limit_bytes"] = *report.memory_limit_mb * 1024 * 1024;
  }
  if (report.memory) {
    put_object(memory, "sites", sites_json(report.memory->sites, amount));
  }
  return memory;
}

}  // namespace lamprey::cloudwatch
