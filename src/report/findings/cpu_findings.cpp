// Findings about where CPU time was spent, from samples: one function of the program's own that
// took most of it, a collector that ran instead of the program, and threads that waited without
// sleeping.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "report/findings/findings.h"
#include "report/text/frame_names.h"
#include "report/text/human.h"

namespace lamprey::report {
namespace {

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::uint64_t kLeastNs = 100 * kMs;
constexpr std::uint64_t kHotPercent = 50;
constexpr std::uint64_t kCollectorPercent = 25;
constexpr std::uint64_t kAwakePercent = 25;
// What ten samples cannot say, nobody should be told.
constexpr std::uint64_t kLeastSamples = 10;

std::int64_t in_ms(std::uint64_t ns) { return static_cast<std::int64_t>(ns / kMs); }

// The frame of the program's own code in which the time was spent; nullptr: there is none.
const Frame* own_frame(const Stack& stack) {
  const auto own = std::find_if(stack.begin(), stack.end(), [](const Frame& frame) {
    return frame.function != nullptr && origin_of(frame) == Origin::kOwn;
  });
  return own != stack.end() ? &*own : nullptr;
}

struct Hot {
  const CpuSite* site = nullptr;  // the one that took most
  std::uint64_t ns = 0;
};

// Of all functions of the program's own the one in which, or in what it called, most was spent
// without another own function in between.
Hot hottest(const CpuFigures& cpu) {
  Hot hottest;
  for (const CpuSite& site : cpu.sites) {
    const Frame* own = own_frame(site.stack);
    if (own == nullptr) {
      continue;
    }
    std::uint64_t ns = 0;
    for (const CpuSite& other : cpu.sites) {
      const Frame* theirs = own_frame(other.stack);
      ns += theirs != nullptr && theirs->function == own->function ? other.cpu_ns : 0;
    }
    if (ns > hottest.ns) {  // sites come with the largest first
      hottest = {&site, ns};
    }
  }
  return hottest;
}

// What went into waiting without sleeping, and the site that took most of it.
Hot awake(const CpuFigures& cpu) {
  Hot all;
  for (const CpuSite& site : cpu.sites) {
    if (site.awake) {
      all = {all.site != nullptr ? all.site : &site, all.ns + site.cpu_ns};
    }
  }
  return all;
}

std::uint64_t collector_ns(const CpuFigures& cpu) {
  std::uint64_t ns = 0;
  for (const CpuSite& site : cpu.sites) {
    const bool collects = std::any_of(site.stack.begin(), site.stack.end(), [](const Frame& frame) {
      return frame.function != nullptr && frame.function->name == "(garbage collection)";
    });
    ns += collects ? site.cpu_ns : 0;
  }
  return ns;
}

bool is_large(std::uint64_t part, const CpuFigures& cpu, std::uint64_t percent) {
  return cpu.samples >= kLeastSamples && part >= kLeastNs && part >= cpu.total_ns / 100 * percent;
}

std::string share(std::uint64_t part, const CpuFigures& cpu) {
  return fmt::format("{} of {} of CPU time ({} %)", human_duration(part),
                     human_duration(cpu.total_ns), part / (cpu.total_ns / 100));
}

Finding found(std::string_view code, std::string text, std::string_view advice, std::uint64_t part,
              const CpuFigures& cpu) {
  Finding finding{code, Severity::kInfo, std::move(text), advice};
  finding.evidence = {{"cpu_ms", in_ms(part)}, {"total_ms", in_ms(cpu.total_ns)}};
  return finding;
}

}  // namespace

void add_cpu_findings(Report& report) {
  if (!report.cpu || report.type != Type::kInvoke || report.cpu->total_ns < kLeastNs) {
    return;
  }
  const CpuFigures& cpu = *report.cpu;
  const bool told = std::any_of(report.findings.begin(), report.findings.end(), [](const auto& f) {
    return f.code == "timeout.cpu" && !f.site.empty();
  });
  const Hot idle = awake(cpu);
  const bool waits = is_large(idle.ns, cpu, kAwakePercent);
  if (waits) {
    report.findings.push_back(
        found("cpu.native_wait",
              share(idle.ns, cpu) + " went into waiting without sleep (sched_yield, spin locks).",
              "Let it sleep until it is woken: on a lock, a condition or a blocking queue.",
              idle.ns, cpu));
    report.findings.back().site = idle.site->stack;
  }
  const Hot hot = hottest(cpu);
  if (!told && !(waits && hot.site == idle.site) && hot.site != nullptr &&
      is_large(hot.ns, cpu, kHotPercent)) {
    report.findings.push_back(found(
        "cpu.hot", share(hot.ns, cpu) + " went into one function and what it called.",
        "Make it do less, or give the function more memory: CPU grows with it.", hot.ns, cpu));
    report.findings.back().site = hot.site->stack;
  }
  const std::uint64_t collected = collector_ns(cpu);
  if (is_large(collected, cpu, kCollectorPercent)) {
    report.findings.push_back(
        found("cpu.gc", share(collected, cpu) + " went into the garbage collector.",
              "Make fewer short-lived objects: memory.sites says where; or give it more memory.",
              collected, cpu));
  }
}

}  // namespace lamprey::report
