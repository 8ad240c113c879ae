// Adding up CPU by stack; see the header.
#include "cli/analysis/cpu_profile.h"

#include "cli/analysis/cpu_figures.h"
#include "cli/input/json_values.h"

namespace lamprey::cli {
namespace {

void add_to(CpuSum& sum, std::uint64_t ns, double samples, bool init) {
  CpuSum::Part& part = init ? sum.inits : sum.invocations;
  part.ns = bounded_sum(part.ns, static_cast<std::int64_t>(ns));
  part.samples += samples;
}

}  // namespace

void CpuProfile::add(const Value& record) {
  const auto cpu = cpu_figures(record);
  if (!cpu || repeats_others(record)) {
    return;
  }
  ++records_;
  hz_ = cpu->hz != 0 ? cpu->hz : hz_;
  if (cpu->total_ns == 0) {
    return;
  }
  const bool init = is(record, "type", "init");
  CpuSites& sites = functions_[text(record, "function_name")];
  for (const CpuSite& site : cpu->sites) {
    add_to(sites[frames_of(site.stack)], site.ns, cpu->samples_of(site.ns), init);
  }
  if (cpu->rest_ns != 0) {
    add_to(sites[{kNotInTopSites}], cpu->rest_ns, cpu->samples_of(cpu->rest_ns), init);
  }
}

CpuSites CpuProfile::sites() const {
  if (functions_.size() == 1) {
    return functions_.begin()->second;
  }
  CpuSites all;
  for (const auto& [name, sites] : functions_) {
    for (const auto& [frames, sum] : sites) {
      Frames below{name.empty() ? "(no name)" : name};
      below.insert(below.end(), frames.begin(), frames.end());
      all.emplace(std::move(below), sum);
    }
  }
  return all;
}

}  // namespace lamprey::cli
