// `memory`: what was allocated, what is live, what the kernel holds. `cpu`: where its time was
// spent. See docs/record.md.
#include "cloudwatch/form.h"
#include "cloudwatch/sections.h"

namespace lamprey::cloudwatch {

using report::Report;

namespace {

// Of a short line the one that a person looks for first.
constexpr std::size_t kCpuTopShort = 1;

// The innermost frames of "f (a.so +0x1); g (b.so +0x2); ...", whole ones, in at most `most` bytes.
std::string innermost(const std::string& stack, std::size_t most) {
  if (stack.size() <= most) {
    return stack;
  }
  const std::size_t end = stack.rfind("; ", most);
  return stack.substr(0, end == std::string::npos ? most : end) + "; ...";
}

Object site_entry(const report::MemorySite& site, Form form) {
  const bool full = form == Form::kFull;
  Object entry;
  entry.add("live_bytes", site.live_bytes);
  entry.add("live_delta_bytes", site.live_delta_bytes);
  entry.add("allocated_bytes", site.allocated_bytes);
  entry.add("allocations", site.allocations);
  if (full) {
    entry.add("churn_bytes", site.churn_bytes);
    put(entry, "peak_bytes", site.peak_bytes);
  }
  entry.add("stack", innermost(site.stack_text, full ? kMaxStackText : kMaxStackTextShort));
  return entry;
}

}  // namespace

// What holds most, and then what was busy in this span: an interpreter holds more since its start
// than any function allocates. A short line leaves out the sites where nothing was allocated or
// freed.
Entries site_entries(const Report& report, Form form) {
  Entries entries;
  if (!report.memory) {
    return entries;
  }
  const std::size_t most = top_of(form);
  const std::vector<report::MemorySite>& sites = report.memory->sites;
  const bool full = form == Form::kFull;
  // First the holders, then of the others the busy ones, then the quiet ones.
  for (int turn = full ? 0 : 1; turn < (full ? 3 : 2); ++turn) {
    for (std::size_t i = 0; i < sites.size() && entries.size() < most; ++i) {
      const bool holds = full && i < kTopShort;
      if (turn == (holds ? 0 : is_quiet(sites[i]) ? 2 : 1)) {
        entries.push_back(site_entry(sites[i], form).text());
      }
    }
  }
  return entries;
}

Object cpu_section(const Report& report) {
  Object cpu;
  if (report.cpu) {
    cpu.add("hz", std::uint64_t{report.cpu->hz});
    cpu.add("samples", report.cpu->samples);
    add_ms(cpu, "total_ms", report.cpu->total_ns);
    if (report.cpu->unplaced_ns != 0) {
      add_ms(cpu, "unplaced_ms", report.cpu->unplaced_ns);
    }
  }
  return cpu;
}

Entries cpu_entries(const Report& report, Form form) {
  Entries entries;
  const bool full = form == Form::kFull;
  for (std::size_t i = 0; report.cpu && i < report.cpu->sites.size(); ++i) {
    if (i == (full ? kTopFull : kCpuTopShort)) {
      break;
    }
    const report::CpuSite& site = report.cpu->sites[i];
    Object entry;
    add_ms(entry, "cpu_ms", site.cpu_ns);
    entry.add("stack", innermost(site.stack_text, full ? kMaxStackText : kMaxStackTextShort));
    entries.push_back(entry.text());
  }
  return entries;
}

Object memory_section(const Report& report, Form form) {
  Object memory;
  if (report.memory) {
    const report::MemoryFigures& m = *report.memory;
    memory.add("allocations", m.allocations);
    memory.add("frees", m.frees);
    memory.add("reallocations", m.reallocations);
    memory.add("allocated_bytes", m.allocated_bytes);
    put(memory, "freed_bytes", m.freed_bytes);
    put(memory, "live_bytes", m.live_bytes);
    put(memory, "live_delta_bytes", m.live_delta_bytes);
    put(memory, "peak_live_bytes", m.peak_live_bytes);
    put(memory, "retained_bytes", m.retained_bytes);
    put(memory, "mapped_bytes", m.mapped_bytes);
    put(memory, "arenas", m.arenas);
    put(memory, "thread_stacks_bytes", m.thread_stacks_bytes);
    put(memory, "file_mapped_bytes", m.file_mapped_bytes);
    memory.add("failed", m.failed);
    if (form == Form::kFull) {
      memory.add("maps", m.maps);
      memory.add("map_bytes", m.map_bytes);
      memory.add("unmap_bytes", m.unmap_bytes);
      memory.add("discard_bytes", m.discard_bytes);
    }
  }
  put(memory, "rss_bytes", report.process.rss_bytes);
  put(memory, "peak_rss_bytes", report.process.peak_rss_bytes);
  put(memory, "all_peak_rss_bytes", report.process.all_peak_rss_bytes);
  if (report.memory_limit_mb) {
    memory.add("limit_bytes", *report.memory_limit_mb * 1024 * 1024);
  }
  return memory;
}

}  // namespace lamprey::cloudwatch
