// How long a process had no CPU because somebody outside held it back: a quota of its control group
// (a container's, the local Lambda's), or the hypervisor below, which gives a function its share of
// a CPU on Lambda and of which the kernel learns as "steal" time. Counters since the last call,
// since the function's share is a matter of one invocation after the other.
//
// Cost: the quota's first call opens up to six files, each later one is one read; the host's reads
// /proc/stat, some 50 µs where there are many interrupts. So it is asked only where time is not
// explained otherwise. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "report/procfs/procfs_file.h"

namespace lamprey::report {

class HeldBack {
 public:
  explicit HeldBack(std::int32_t pid) : pid_(pid) {}

  // Growth since the last call, in ns; over all CPUs, so more than one thread can have lost.
  // Nothing the first time, and where the kernel does not say.
  std::optional<std::uint64_t> by_quota_ns();
  std::optional<std::uint64_t> by_host_ns();  // in steps of 10 ms

  // Whether the kernel says either, as far as the calls so far have shown. Steal time that is 0
  // says nothing: a kernel that the hypervisor never tells has 0 for ever.
  bool is_told() const { return quota_ || host_.value_or(0) != 0; }

 private:
  std::int32_t pid_;
  bool looked_ = false;                   // for the group's file
  std::optional<KernelFile> quota_file_;  // open, so that it can be read when the process is gone
  std::optional<std::uint64_t> quota_;    // as last read
  std::optional<std::uint64_t> host_;
};

// Pure: the steal time in /proc/stat's first line ("cpu  user nice system idle iowait irq softirq
// steal ..."), of all CPUs since the boot; nothing where there is none.
std::optional<std::uint64_t> steal_ns(std::string_view stat);

}  // namespace lamprey::report
