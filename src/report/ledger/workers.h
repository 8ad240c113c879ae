// What other threads did while the handler waited for them: a wait for workers that wait for a host
// is network, one for threads that compute is CPU. Pure.
//
// No wait says who ended it. So at most as much is moved as the busiest single worker has done in
// the span, and of what computed nothing that a runtime does for itself in the background.
#pragma once

#include <cstdint>
#include <vector>

#include "recording/reader.h"
#include "report/model/report.h"
#include "report/procfs/closeup.h"

namespace lamprey::report {

// How much of each class one worker has done, in ns. (A wait for a child that one thread does for
// another is handed on by the library: preload/hooks/wakers.h.)
struct WorkerTime {
  std::uint64_t network_ns = 0;
  std::uint64_t dns_ns = 0;
  std::uint64_t file_ns = 0;
  std::uint64_t remote_ns() const { return network_ns + dns_ns; }
};

// Moves the part of wall.lock_ns that one worker explains: who talked to hosts for longest; who was
// in files for longest only where that is more than twice as long, for runtimes read files for
// themselves.
void charge_to_workers(WallFigures& wall, const std::vector<WorkerTime>& workers);

// The thread, besides `handler`, that ran or wanted to for longest between two looks.
struct ComputingThread {
  std::string name;
  std::uint64_t cpu_ns = 0;
  std::uint64_t delay_ns = 0;  // ready to run, without a CPU
  std::uint64_t all_ns() const { return cpu_ns + delay_ns; }
  bool collects = false;  // a garbage collector's
};
ComputingThread busiest_between(const std::vector<ThreadLook>& first,
                                const std::vector<ThreadLook>& second, std::int32_t handler);

// Moves what it explains of wall.lock_ns, where that is half of it or more; returns how much.
std::uint64_t charge_to_computing(WallFigures& wall, const ComputingThread& thread);

}  // namespace lamprey::report
