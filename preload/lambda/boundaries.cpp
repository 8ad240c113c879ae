// Boundaries; see the header.
#include "preload/lambda/boundaries.h"

#include <sys/resource.h>

#include "preload/base/raw_syscall.h"
#include "preload/base/text.h"
#include "preload/base/ticks.h"
#include "preload/process/file.h"
#include "preload/process/launched.h"
#include "preload/process/thread.h"

namespace lamprey::preload::lambda::boundaries {
namespace {

// Wakes a companion that waits for a mark. The one system call that a running process makes for
// us, at the two moments when the runtime itself is about to wait for the network. A companion that
// reports in batches waits for the platform's word, too, and so watches the directory.
void wake_reader() {
  if (g_writer.trail() != nullptr) {
    if (g_writer.is_trail_due()) {
      touch_recording_file(g_writer.header().pid);
    }
    return;
  }
  constexpr long kFutexWake = 1;  // shared: the other side maps the same file
  raw_syscall(SYS_futex, pointer_argument(&g_writer.header().wake), kFutexWake, 0x7FFFFFFF);
}

// With LAMPREY_FLUSH=batch an environment may be frozen again and again before the companion gets
// the CPU. The response has been sent and `next` not yet asked for, so nothing is frozen now. A
// companion that does not read at all costs this once.
void wait_for_reader() {
  constexpr timespec kNap = {0, 1'000'000};
  constexpr int kMostNaps = 50;
  for (int naps = 0; g_writer.is_reader_behind(); ++naps) {
    if (naps == kMostNaps) {
      g_writer.stop_waiting_for_reader();
      return;
    }
    timespec nap = kNap;
    raw_syscall(SYS_nanosleep, pointer_argument(&nap), 0);
  }
}

// One system call at the two boundaries where the runtime is about to wait for the network anyway:
// CPU time to the microsecond, where /proc/<pid>/stat has 10 ms and may be out of sight.
recording::ResourceUse resource_use() {
  rusage usage = {};
  if (raw_syscall(SYS_getrusage, RUSAGE_SELF, pointer_argument(&usage)) != 0) {
    return {};
  }
  auto nanoseconds = [](const timeval& time) {
    return (static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U) +
           (static_cast<std::uint64_t>(time.tv_usec) * 1000U);
  };
  return {nanoseconds(usage.ru_utime),
          nanoseconds(usage.ru_stime),
          static_cast<std::uint64_t>(usage.ru_maxrss) * 1024,
          static_cast<std::uint64_t>(usage.ru_minflt),
          static_cast<std::uint64_t>(usage.ru_majflt),
          static_cast<std::uint64_t>(usage.ru_nvcsw),
          static_cast<std::uint64_t>(usage.ru_nivcsw)};
}

}  // namespace

// clock_gettime(2) of another thread's CPU time: the kernel's own numbering of such clocks
// (CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED), which pthread_getcpuclockid(3) uses. By the raw call:
// the vDSO knows no such clock.
std::uint64_t thread_cpu_ns(std::int32_t tid) {
  const auto clock = static_cast<std::int32_t>((~static_cast<std::uint32_t>(tid) << 3U) | 6U);
  timespec used = {};
  if (raw_syscall(SYS_clock_gettime, clock, pointer_argument(&used)) != 0) {
    return 0;
  }
  return (static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000U) +
         static_cast<std::uint64_t>(used.tv_nsec);
}

bool are_reported_in_batches(const char* value) {
  return value != nullptr && equal(value, "batch");
}

void init_ended() {
  launched::found();
  if (g_writer.mark_init_end(clock_pair(), resource_use())) {
    wake_reader();
  }
}

void invocation_ended(std::uint64_t sequence) {
  const recording::ClockPair now = clock_pair();
  if (g_writer.mark_end(sequence, current_tid(), now, resource_use(), thread_cpu_ns)) {
    wake_reader();
    wait_for_reader();
  }
}

}  // namespace lamprey::preload::lambda::boundaries
