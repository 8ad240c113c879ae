// Memory against its limit and against what is live; see the header.
#include "report/findings/memory_watch.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/text/human.h"

namespace lamprey::report {
namespace {

// From this number of arenas on, limiting them is worth it: every glibc program has one.
constexpr std::uint64_t kManyArenas = 3;

std::optional<std::uint64_t> limit_of(const Report& report) {
  constexpr std::uint64_t kMaxMb = 1U << 20U;
  return report.memory_limit_mb && *report.memory_limit_mb > 0 && *report.memory_limit_mb <= kMaxMb
             ? std::optional(*report.memory_limit_mb << 20U)
             : std::nullopt;
}

// Of all processes of the environment, as far as they were seen.
std::optional<std::uint64_t> peak_of(const Report& report) {
  const ProcessFigures& process = report.process;
  return process.all_peak_rss_bytes ? process.all_peak_rss_bytes : process.peak_rss_bytes;
}

// "The process has"
const char* whose(const Report& report) {
  return report.process.all_peak_rss_bytes ? "The process and its children have"
                                           : "The process has";
}

std::string words(std::uint64_t bytes) { return human_bytes(static_cast<std::int64_t>(bytes)); }

}  // namespace

bool MemoryWatch::is_due(std::uint64_t& last) const { return last == 0 || looks_ - last >= kEvery; }

void MemoryWatch::look(Report& report, const Look& address_space) {
  ++looks_;
  add_tight(report);
  add_oversized(report);
  add_retained(report, address_space);
}

void MemoryWatch::add_tight(Report& report) {
  const auto limit = limit_of(report);
  const auto peak = peak_of(report);
  if (!limit || !peak || *peak / kTightPercent < *limit / 100 || !is_due(tight_)) {
    return;
  }
  tight_ = looks_;
  report.findings.push_back({"memory.tight",
                             Severity::kWarning,
                             fmt::format("{} held {}, {} % of its {} MB.", whose(report),
                                         words(*peak), *peak / (*limit / 100), *limit >> 20U),
                             "Give the function more memory before it is killed for it.",
                             {{"peak_rss_bytes", static_cast<std::int64_t>(*peak)},
                              {"limit_bytes", static_cast<std::int64_t>(*limit)}}});
}

void MemoryWatch::add_oversized(Report& report) {
  const auto limit = limit_of(report);
  const auto peak = peak_of(report);
  if (peak && *peak / 100 * 95 > level_) {
    level_ = *peak;
    since_ = looks_;
  }
  if (oversized_ != 0 || looks_ < kOversizedAfter || looks_ - since_ < kOversizedAfter / 2 ||
      !limit || !peak || *limit < kSmallestFunctionMb << 20U ||
      *peak / kOversizedPercent >= *limit / 100) {
    return;
  }
  oversized_ = looks_;
  report.findings.push_back(
      {"memory.oversized",
       Severity::kInfo,
       fmt::format("{} never held more than {}, {} % of its {} MB, in {} invocations.",
                   whose(report), words(*peak), *peak / (*limit / 100), *limit >> 20U,
                   human_count(looks_)),
       "Less memory costs less, but brings less CPU: compare duration_ms before and after.",
       {{"peak_rss_bytes", static_cast<std::int64_t>(*peak)},
        {"limit_bytes", static_cast<std::int64_t>(*limit)},
        {"invocations", static_cast<std::int64_t>(looks_)}}});
}

// The allocator keeps at least what is resident in its own areas less all live bytes. It may keep
// more: large live blocks lie elsewhere, and are subtracted all the same.
void MemoryWatch::add_retained(Report& report, const Look& address_space) {
  const auto& resident = report.process.rss_anonymous_bytes;
  if (!report.memory || !resident || report.memory->live_bytes.value_or(-1) < 0 ||
      !is_due(retained_)) {
    return;
  }
  const auto live = static_cast<std::uint64_t>(*report.memory->live_bytes);
  const std::uint64_t worth =
      std::max(kRetainedBytes, limit_of(report).value_or(0) / 100 * kRetainedPercent);
  if (*resident < live || *resident - live < worth) {
    return;
  }
  const auto space = address_space();
  if (!space && ++tries_ < kMaxTries) {
    return;
  }
  tries_ = 0;
  retained_ = looks_;
  if (!space) {
    return;
  }
  report.memory->mapped_bytes = space->other_bytes;
  report.memory->arenas = space->arenas + 1;
  report.memory->thread_stacks_bytes = space->stack_bytes;
  report.memory->file_mapped_bytes = space->file_bytes;
  const std::uint64_t held = space->heap_bytes + space->arena_bytes;
  if (held < live) {
    return;
  }
  report.memory->retained_bytes = static_cast<std::int64_t>(held - live);
  if (held - live < worth) {
    return;
  }
  const bool many = space->arenas >= kManyArenas;
  report.findings.push_back(
      {"memory.retained",
       Severity::kWarning,
       fmt::format(
           "{} are live, but malloc holds {}: it keeps at least {}{}.", words(live), words(held),
           words(held - live),
           many ? fmt::format(" in {} arenas", human_count(space->arenas + 1)) : std::string()),
       many ? "Set MALLOC_ARENA_MAX=2: each thread that allocates may open an arena of its own."
            : "Call malloc_trim(0) after the largest piece of work, or set "
              "MALLOC_TRIM_THRESHOLD_=1000000.",
       {{"live_bytes", *report.memory->live_bytes},
        {"retained_bytes", static_cast<std::int64_t>(held - live)},
        {"arenas", static_cast<std::int64_t>(space->arenas)},
        {"arena_bytes", static_cast<std::int64_t>(space->arena_bytes)},
        {"stack_bytes", static_cast<std::int64_t>(space->stack_bytes)},
        {"file_bytes", static_cast<std::int64_t>(space->file_bytes)},
        {"other_bytes", static_cast<std::int64_t>(space->other_bytes)}}});
}

}  // namespace lamprey::report
