// Whether a process that vanished was killed because memory ran out. The kernel sends SIGKILL and
// tells nobody in the process. The evidence is its counters of such kills, and how near to the
// limit the process was when it was last seen.
//
// Units: bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "report/model/report.h"

namespace lamprey::report {

// Out-of-memory kills, counted by the kernel since the machine started or the group was made.
struct MemoryKills {
  std::optional<std::uint64_t> group;  // of the process's control group: memory.events, oom_control
  std::optional<std::uint64_t> machine;  // /proc/vmstat
};

// The counters as they are now. `pid`: whose control group is read; 0: the caller's own.
MemoryKills count_memory_kills(std::int32_t pid);

// Resident bytes of a process, from /proc/<pid>/statm: one small read.
std::optional<std::uint64_t> resident_bytes(std::int32_t pid);

struct MemoryEvidence {
  MemoryKills before;  // when the process was first seen
  MemoryKills after;   // once it was gone
  std::optional<std::uint64_t> limit_bytes;
  std::optional<std::uint64_t> highest_rss_bytes;  // of the process, while it was looked at
  std::optional<std::int64_t> live_bytes = 0;      // when it ended: exact, from its recording
};

struct MemoryVerdict {
  int confidence_percent = 0;  // 0: memory was not the reason
  std::string because;
};

// Judges a process that ended without writing how, and that the caller did not kill. Pure.
MemoryVerdict judge_memory(const MemoryEvidence& evidence);

// The finding that goes with a verdict.
Finding memory_finding(const MemoryEvidence& evidence, const MemoryVerdict& verdict);

// Gives that finding the call site that holds most of what is live, if one holds half. The report's
// sites have their stacks.
void name_holder(Report& report);

}  // namespace lamprey::report
