// Cost and memory size; see the header. On Lambda CPU grows with memory (model/cpu_share.h).
#include "cli/output/sizing.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "cli/input/json_values.h"
#include "cli/input/summaries.h"
#include "cli/output/printable.h"
#include "cli/output/tables.h"
#include "report/model/cpu_share.h"
#include "report/text/human.h"

namespace lamprey::cli {
namespace {

using report::human_count;
using report::kMbOfOneCpu;

constexpr std::uint64_t kLeastMb = 128;
constexpr std::uint64_t kMaxMb = 10240;
constexpr std::uint64_t kStepMb = 64;
constexpr std::uint64_t kMaxFigure = 1'000'000'000'000'000;
constexpr double kUsAGbSecond = 1e6 * 1024;  // MB·µs

std::optional<std::uint64_t> figure(const Value& object, const char* key, std::uint64_t by) {
  const auto value = number(object, key, by);
  return value && *value < kMaxFigure ? value : std::nullopt;
}

std::uint64_t per_mille(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : part * 1000 / whole;
}

// Half as much again as the most that was ever resident, in steps that are easy to remember.
std::uint64_t size_for(std::uint64_t peak_bytes) {
  const std::uint64_t needed_mb = ((peak_bytes * 3 / 2) >> 20U) + 1;
  const std::uint64_t stepped = (needed_mb + kStepMb - 1) / kStepMb * kStepMb;
  return std::clamp(stepped, kLeastMb, kMaxMb);
}

}  // namespace

void Sizing::add(const Value& record) {
  const Value memory = record["memory"];
  // Of a summary these are sums, of invocations that are all warm.
  const bool summed = is_summary(record);
  const Value times = summed ? record["summary"] : record;
  const std::uint64_t count = invocations_in(record);
  const auto duration_us = figure(times, "duration_ms", 1000);
  const auto limit = figure(memory, "limit_bytes", 1);
  if ((!summed && !is(record, "type", "invoke")) || count == 0 || !duration_us || !limit ||
      *limit < (1U << 20U)) {
    return;
  }
  Sum& sum = functions_[text(record, "function_name")];
  const std::uint64_t limit_mb = *limit >> 20U;
  sum.invocations += count;
  sum.duration_us += *duration_us;
  sum.mb_us += *duration_us * limit_mb;
  sum.limits_mb.insert(limit_mb);
  sum.out_of_memory |= is(record, "status", "out_of_memory");
  sum.peak_bytes = std::max({sum.peak_bytes, figure(memory, "peak_rss_bytes", 1).value_or(0),
                             figure(memory, "all_peak_rss_bytes", 1).value_or(0)});
  auto cpu_us = figure(times, "cpu_ms", 1000);
  if (!cpu_us) {
    cpu_us = figure(record["system"], "cpu_total_time", 1000);
  }
  if ((summed || figure(record, "invocation", 1).value_or(1) > 1) && cpu_us) {
    sum.warm += count;
    sum.warm_duration_us += *duration_us;
    sum.warm_cpu_us += *cpu_us;
    for (const char* part : {"runnable_ms", "stolen_ms"}) {
      sum.warm_runnable_us += figure(record["wall"], part, 1000).value_or(0);
    }
  }
}

void Sizing::append(const Sizing& later) {
  for (const auto& [name, more] : later.functions_) {
    Sum& sum = functions_[name];
    sum.invocations += more.invocations;
    sum.warm += more.warm;
    sum.duration_us += more.duration_us;
    sum.warm_duration_us += more.warm_duration_us;
    sum.warm_cpu_us += more.warm_cpu_us;
    sum.warm_runnable_us += more.warm_runnable_us;
    sum.peak_bytes = std::max(sum.peak_bytes, more.peak_bytes);
    sum.limits_mb.insert(more.limits_mb.begin(), more.limits_mb.end());
    sum.mb_us += more.mb_us;
    sum.out_of_memory |= more.out_of_memory;
  }
}

std::string Sizing::advice(const Sum& sum) {
  if (sum.warm < kFewestInvocations || sum.limits_mb.size() != 1 || sum.peak_bytes == 0) {
    return {};
  }
  const std::uint64_t limit_mb = *sum.limits_mb.begin();
  const std::uint64_t used = per_mille(sum.peak_bytes >> 20U, limit_mb);
  const std::uint64_t busy = per_mille(sum.warm_cpu_us, sum.warm_duration_us);
  const std::uint64_t share = std::min<std::uint64_t>(1000, per_mille(limit_mb, kMbOfOneCpu));
  const std::uint64_t waiting = per_mille(sum.warm_runnable_us, sum.warm_duration_us);
  const std::string evidence =
      fmt::format("{} warm invocations: at most {} of {} MB resident, on CPU {} % of the time",
                  human_count(sum.warm), sum.peak_bytes >> 20U, limit_mb, busy / 10);
  if (sum.out_of_memory || used >= 900) {
    return fmt::format("more memory: {} MB ({})",
                       std::max(size_for(sum.peak_bytes), limit_mb + kStepMb), evidence);
  }
  if (limit_mb < kMbOfOneCpu && (busy >= share * 8 / 10 || waiting >= 200)) {
    return fmt::format(
        "CPU is what it lacks: {} MB would give {} times as much ({}{})",
        std::min(limit_mb * 2, kMaxMb), 2, evidence,
        waiting >= 200 ? fmt::format(", ready but without CPU {} %", waiting / 10) : std::string());
  }
  const std::uint64_t smaller = size_for(sum.peak_bytes);
  // Less memory is less CPU: what it used must fit the smaller share with room to spare.
  if (used <= 500 && smaller < limit_mb && busy <= per_mille(smaller, kMbOfOneCpu) * 7 / 10) {
    return fmt::format("less memory: {} MB ({})", smaller, evidence);
  }
  return {};
}

std::string Sizing::table(const std::optional<double>& price) const {
  std::vector<std::vector<std::string>> rows{
      {"cost", "invocations", "memory", "GB-seconds", "per million"}};
  if (price) {
    rows.front().emplace_back("price per million");
  }
  std::string advised;
  for (const auto& [name, sum] : functions_) {
    const double gb_seconds = static_cast<double>(sum.mb_us) / kUsAGbSecond;
    const double million = gb_seconds / static_cast<double>(sum.invocations) * 1e6;
    std::string sizes;
    for (const std::uint64_t size : sum.limits_mb) {
      sizes += fmt::format("{}{}", sizes.empty() ? "" : ", ", size);
    }
    rows.push_back({name, human_count(sum.invocations), sizes + " MB",
                    fmt::format("{:.3f}", gb_seconds), fmt::format("{:.0f}", million)});
    if (price) {
      rows.back().push_back(fmt::format("{:.4f}", million * *price));
    }
    const std::string text = advice(sum);
    if (!text.empty()) {
      advised += fmt::format("{}: {}\n", printable(name), text);
    }
  }
  if (rows.size() == 1) {
    return {};
  }
  return cli::table(rows) + (advised.empty() ? "" : "\n" + advised);
}

}  // namespace lamprey::cli
