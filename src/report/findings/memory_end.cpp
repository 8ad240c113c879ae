// The kernel's counters, and the judgement; see the header.
#include "report/findings/memory_end.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "report/procfs/control_group.h"
#include "report/procfs/procfs_file.h"
#include "report/text/human.h"

namespace lamprey::report {
namespace {

std::optional<std::uint64_t> group_kills(std::int32_t pid) {
  const std::string file = group_file(pid, kGroupKills);
  return file.empty() ? std::nullopt : number_of(read_kernel_text(file), "oom_kill");
}

bool has_grown(const std::optional<std::uint64_t>& before,
               const std::optional<std::uint64_t>& after) {
  return before && after && *after > *before;
}

// "; 121 MB of 128 MB were resident when last seen: 1.84 MB live in malloc's blocks, the rest
// mapped directly (an interpreter's or the JVM's own heap), stacks and code".
std::string what_was_held(const MemoryEvidence& evidence) {
  const std::string limit =
      evidence.limit_bytes ? fmt::format(" of {} MB", *evidence.limit_bytes >> 20U) : std::string();
  const std::string live = evidence.live_bytes ? fmt::format("{} live in malloc's blocks",
                                                             human_bytes(*evidence.live_bytes))
                                               : std::string();
  if (!evidence.highest_rss_bytes) {
    return live.empty() ? std::string() : "; " + live + (limit.empty() ? "" : "," + limit);
  }
  const auto rss = static_cast<std::int64_t>(*evidence.highest_rss_bytes);
  std::string text = fmt::format("; {}{} were resident when last seen", human_bytes(rss), limit);
  if (live.empty()) {
    return text;
  }
  const bool mostly_live = *evidence.live_bytes >= rss / 2;
  return text + ": " + live +
         (mostly_live
              ? ""
              : ", the rest mapped directly (an interpreter's or the JVM's own heap), stacks "
                "and code");
}

// How full it was, in percent of the limit; nothing without a limit.
std::optional<std::uint64_t> fullness(const MemoryEvidence& evidence) {
  if (!evidence.limit_bytes || *evidence.limit_bytes == 0) {
    return std::nullopt;
  }
  const auto live =
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, evidence.live_bytes.value_or(0)));
  const std::uint64_t used = std::max(live, evidence.highest_rss_bytes.value_or(0));
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(used) * 100 /
                                    *evidence.limit_bytes);
}

}  // namespace

MemoryKills count_memory_kills(std::int32_t pid) {
  MemoryKills kills;
  kills.group = group_kills(pid);
  kills.machine = number_of(read_kernel_text("/proc/vmstat"), "oom_kill");
  return kills;
}

std::optional<std::uint64_t> resident_bytes(std::int32_t pid) {
  const std::string text = read_kernel_text(fmt::format("/proc/{}/statm", pid));
  const std::size_t blank = text.find(' ');
  std::uint64_t pages = 0;
  if (blank == std::string::npos ||
      std::from_chars(text.data() + blank + 1, text.data() + text.size(), pages).ec !=
          std::errc{}) {
    return std::nullopt;
  }
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

MemoryVerdict judge_memory(const MemoryEvidence& evidence) {
  constexpr std::uint64_t kHalfFull = 50;
  constexpr std::uint64_t kFull = 90;
  const auto full = fullness(evidence);
  if (has_grown(evidence.before.group, evidence.after.group)) {
    return {99, "the kernel counted a kill for want of memory in its control group"};
  }
  if (evidence.before.group && evidence.after.group) {
    return {};  // the group counted no kill
  }
  if (has_grown(evidence.before.machine, evidence.after.machine) && (!full || *full >= kHalfFull)) {
    return {90, "the kernel counted a kill for want of memory on this machine"};
  }
  if (evidence.before.machine && evidence.after.machine) {
    return {};
  }
  if (full && *full >= kFull) {
    return {60, fmt::format("it was at {} % of its memory limit when it was last seen, and nothing "
                            "else explains its end",
                            *full)};
  }
  return {};
}

Finding memory_finding(const MemoryEvidence& evidence, const MemoryVerdict& verdict) {
  Finding finding;
  finding.code = "memory.out_of_memory";
  finding.severity = Severity::kCritical;
  finding.text =
      fmt::format("Killed for want of memory: {}{}.", verdict.because, what_was_held(evidence));
  finding.advice =
      "Give the function more memory, or hold less at once: memory.sites says who held it.";
  finding.add_evidence("confidence_percent", verdict.confidence_percent);
  if (evidence.live_bytes) {
    finding.add_evidence("live_bytes", *evidence.live_bytes);
  }
  if (evidence.limit_bytes) {
    finding.add_evidence("limit_bytes", static_cast<std::int64_t>(*evidence.limit_bytes));
  }
  if (evidence.highest_rss_bytes) {
    finding.add_evidence("rss_bytes", static_cast<std::int64_t>(*evidence.highest_rss_bytes));
  }
  return finding;
}

void name_holder(Report& report) {
  const auto finding =
      std::find_if(report.findings.begin(), report.findings.end(),
                   [](const Finding& f) { return f.code == "memory.out_of_memory"; });
  if (finding == report.findings.end() || !report.memory || report.memory->sites.empty()) {
    return;
  }
  const std::vector<MemorySite>& sites = report.memory->sites;
  const auto most = std::max_element(sites.begin(), sites.end(), [](const auto& a, const auto& b) {
    return a.live_bytes < b.live_bytes;
  });
  if (!most->mapping && most->live_bytes >= report.memory->live_bytes.value_or(INT64_MAX) / 2) {
    finding->site = most->stack;
    finding->site_note = " (most of what is live)";
  }
}

}  // namespace lamprey::report
