// Reading `cpu` of a record; see the header.
#include "cli/analysis/cpu_figures.h"

#include <algorithm>

#include "cli/analysis/memory_profile.h"
#include "cli/input/json_values.h"
#include "report/text/frame_words.h"

namespace lamprey::cli {
namespace {

constexpr std::uint64_t kNsAMs = 1'000'000;
// Lines may say anything: a year for one site, so that sums over many stay what they are.
constexpr std::uint64_t kMost = std::uint64_t{31'536'000} * 1'000'000'000;

std::uint64_t bounded(std::optional<std::uint64_t> value) {
  return std::min(value.value_or(0), kMost);
}

}  // namespace

double CpuFigures::samples_of(std::uint64_t ns) const {
  return total_ns == 0 ? 0
                       : static_cast<double>(samples) * static_cast<double>(ns) /
                             static_cast<double>(total_ns);
}

std::optional<CpuFigures> cpu_figures(const Value& record) {
  const Value cpu = record["cpu"];
  if (!cpu.is_object()) {
    return std::nullopt;
  }
  CpuFigures figures;
  figures.total_ns = bounded(number(cpu, "total_ms", kNsAMs));
  figures.samples = bounded(number(cpu, "samples"));
  figures.hz = bounded(number(cpu, "hz"));
  std::uint64_t listed = 0;
  for (const Value site : list(cpu, "sites")) {
    CpuSite one{bounded(number(site, "cpu_ms", kNsAMs)), text(site, "stack")};
    if (one.ns != 0 && !frames_of(one.stack).empty() && listed < kMost) {
      listed += one.ns;
      figures.sites.push_back(std::move(one));
    }
  }
  figures.total_ns = std::max(figures.total_ns, listed);  // each was rounded
  figures.rest_ns = figures.total_ns - listed;
  return figures;
}

bool is_warm_invocation(const Value& record) {
  return (is(record, "type", "invoke") || is(record, "type", "run")) &&
         record["cold_start"].kind() != Value::Kind::kTrue;
}

bool repeats_others(const Value& record) { return is(record, "type", "shutdown"); }

bool is_sum_of_lines(const Value& record) { return is(record, "type", "summary"); }

std::string cpu_place(const std::string& stack) { return std::string(report::own_frame(stack)); }

std::string cpu_function(const std::string& stack) {
  const Frames frames = frames_of(cpu_place(stack));
  return frames.empty() ? stack : frames.back();
}

}  // namespace lamprey::cli
