// Figures about a process and its machine from /proc. Nothing from recordings lives here.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "report/model/report.h"
#include "report/procfs/procfs_file.h"

namespace lamprey::report {

// Field 22 of /proc/<pid>/stat (clock ticks since boot); nothing when there is no such process or
// it is a zombie.
std::optional<std::uint64_t> process_start(std::int32_t pid);

// Whether that very process runs, not another one with its pid. `start` 0 means unknown and gives
// false.
bool is_running(std::int32_t pid, std::uint64_t start);

// How it stands with a child of `parent`. What /proc does not show is taken for gone.
enum class ChildState : std::uint8_t { kRuns, kEnded, kGone };
ChildState child_state(std::int32_t pid, std::int32_t parent);

// Resident memory of these processes and of all below them; what /proc hides is missing. Of the
// first one everything counts, of the others what they do not share with files and each other.
// The children of threads other than the first are found only if `roots` has them.
std::uint64_t resident_bytes_below(const std::vector<std::int32_t>& roots);

// One process, looked at often. Its files stay open (see KernelFile). Not thread-safe.
class ProcessView {
 public:
  // The process need not exist. `start`: from process_start(); 0: unknown.
  ProcessView(std::int32_t pid, std::uint64_t start);

  // Whether that very process runs.
  bool runs();
  // What can be read about it right now: levels, and counters since its start. Empty when the pid
  // belongs to another process. tmp_* are of /tmp as the caller sees it.
  ProcessFigures figures();

 private:
  std::int32_t pid_;
  std::uint64_t start_;
  KernelFile stat_;
  KernelFile status_;
  KernelFile network_;
};

// Counters (CPU, network) as the growth since `before`, levels as in `now`.
ProcessFigures since(const ProcessFigures& before, const ProcessFigures& now);

// How long the thread was ready to run and had no CPU, ns since its start (the second figure of
// /proc/<pid>/task/<tid>/schedstat).
std::optional<std::uint64_t> run_delay_ns(std::int32_t pid, std::int32_t tid);

// Resident bytes of this process itself.
std::optional<std::uint64_t> own_rss_bytes();

}  // namespace lamprey::report
