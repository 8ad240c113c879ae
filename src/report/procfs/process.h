// Figures about a process and its machine from /proc. Nothing from recordings lives here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
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

// CPU time, threads and resident memory of a process and of all below it together; CPU time also of
// those that they have waited for. Of the peak only the root's own is known, and what all have now.
// Empty when there is no such process.
ProcessFigures figures_of_family(std::int32_t root);

// The oldest process of the environment whose Runtime API is at that address and which is no
// extension (those get no _HANDLER); 0: none is to be seen. Looks at every process: seldom, please.
std::int32_t find_runtime(const std::string& runtime_api);

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
  // Of these only its resident memory, which every line needs: one read instead of ten calls.
  ProcessFigures memory();

 private:
  std::int32_t pid_;
  std::uint64_t start_;
  KernelFile stat_;
  KernelFile status_;
  KernelFile statm_;
  KernelFile network_;
  bool statm_is_its_ = false;  // statm_ was open when the process was seen to be that very one
};

// How long threads of one process were ready to run and had no CPU, ns since each one's start (the
// second figure of /proc/<pid>/task/<tid>/schedstat). The files of the last two stay open: one or
// two threads handle requests.
class RunDelays {
 public:
  explicit RunDelays(std::int32_t pid) : pid_(pid) {}
  std::optional<std::uint64_t> of(std::int32_t tid);

 private:
  struct Open {
    std::int32_t tid = 0;
    std::optional<KernelFile> file;
  };
  std::int32_t pid_;
  std::array<Open, 2> open_;
  std::size_t next_ = 0;  // which of them gives way
};

// Counters (CPU, network) as the growth since `before`, levels as in `now`.
ProcessFigures since(const ProcessFigures& before, const ProcessFigures& now);

// Resident bytes of this process itself.
std::optional<std::uint64_t> own_rss_bytes();

}  // namespace lamprey::report
