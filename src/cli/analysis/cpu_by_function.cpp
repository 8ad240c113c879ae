// CPU time by function; see the header.
#include "cli/analysis/cpu_by_function.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <tuple>

#include "cli/input/json_values.h"
#include "report/text/human.h"

namespace lamprey::cli {
namespace {

using report::human_duration;

// Lines may say anything: a sum stops at the most that it can hold.
void add_ns(std::uint64_t& sum, std::uint64_t more) {
  sum = more > std::numeric_limits<std::uint64_t>::max() - sum
            ? std::numeric_limits<std::uint64_t>::max()
            : sum + more;
}

void add_part(CpuByFunction::Part& sum, const CpuByFunction::Part& more) {
  add_ns(sum.ns, more.ns);
  add_ns(sum.init_ns, more.init_ns);
}

std::string percent(std::uint64_t part, std::uint64_t whole) {
  return part == 0 ? "-"
                   : fmt::format("{:.1f} %",
                                 100 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string or_dash(std::uint64_t ns) { return ns == 0 ? "-" : human_duration(ns); }

}  // namespace

void add_record(CpuByFunction& sum, const Value& record) {
  const auto cpu = cpu_figures(record);
  if (!cpu || repeats_others(record)) {
    return;
  }
  const bool init = is(record, "type", "init");
  sum.invocations += init ? 0 : 1;
  const auto add = [&](const std::string& name, std::uint64_t ns) {
    const CpuByFunction::Part part{init ? 0 : ns, init ? ns : 0};
    add_part(sum.functions[name], part);
    add_part(sum.total, part);
  };
  for (const CpuSite& site : cpu->sites) {
    add(cpu_function(site.stack), site.ns);
  }
  if (cpu->rest_ns != 0) {
    add(kNotInTopSites, cpu->rest_ns);
  }
}

void append(CpuByFunction& sum, const CpuByFunction& later) {
  for (const auto& [name, part] : later.functions) {
    add_part(sum.functions[name], part);
  }
  add_part(sum.total, later.total);
  sum.invocations += later.invocations;
}

std::vector<std::vector<std::string>> cpu_rows(const CpuByFunction& sum, std::size_t most) {
  using Entry = std::pair<std::string, CpuByFunction::Part>;
  std::vector<Entry> entries(sum.functions.begin(), sum.functions.end());
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tuple(a.first != kNotInTopSites, a.second.ns, a.second.init_ns) >
           std::tuple(b.first != kNotInTopSites, b.second.ns, b.second.init_ns);
  });
  const std::size_t named = entries.size() - sum.functions.count(kNotInTopSites);
  if (named > most) {
    entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(most),
                  entries.begin() + static_cast<std::ptrdiff_t>(named));
  }
  std::vector<std::vector<std::string>> rows{
      {"CPU in (sampled)", "self", "share", "per invocation", "in inits"}};
  for (const auto& [name, part] : entries) {
    const bool some = part.ns != 0 && sum.invocations != 0;
    rows.push_back({name, or_dash(part.ns), percent(part.ns, sum.total.ns),
                    some ? human_duration(part.ns / sum.invocations) : "-", or_dash(part.init_ns)});
  }
  return rows.size() > 1 ? rows : std::vector<std::vector<std::string>>();
}

TopCpu top_cpu(const CpuFigures& cpu) {
  struct Seen {
    std::uint64_t ns = 0;
    std::uint64_t most_ns = 0;  // at `place`
    std::string place;
  };
  std::map<std::string, Seen> functions;
  const Seen* top = nullptr;
  for (const CpuSite& site : cpu.sites) {
    Seen& seen = functions[cpu_function(site.stack)];
    seen.ns += site.ns;
    if (site.ns > seen.most_ns) {
      seen.most_ns = site.ns;
      seen.place = cpu_place(site.stack);
    }
    top = top == nullptr || seen.ns > top->ns ? &seen : top;
  }
  return top == nullptr ? TopCpu() : TopCpu{top->ns, top->place};
}

}  // namespace lamprey::cli
