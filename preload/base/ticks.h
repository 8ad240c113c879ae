// The clock of the hooks. Two readings a call, so it decides what a hooked call costs: the time
// stamp counter (x86-64, when the CPU says it is invariant) or the virtual counter (arm64) is ~10
// ns for both, the vDSO's CLOCK_MONOTONIC ~45 ns. Readers turn ticks into time with the pairs in
// the recording; nothing here does.
#pragma once

#include <ctime>

#include "recording/layout.h"

namespace lamprey::preload {
inline namespace base {

// What this machine offers; constant after attach.
[[gnu::visibility("hidden")]] extern recording::Clock g_clock;
void choose_clock();

inline std::uint64_t read_clock(clockid_t id) {
  timespec now = {};
  ::clock_gettime(id, &now);  // vDSO: no lock, no allocation, async-signal-safe (POSIX)
  return (static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U) +
         static_cast<std::uint64_t>(now.tv_nsec);
}

// An estimate, for thresholds only: never for a figure that is printed. Counters run at 1 to 5 GHz
// on x86-64; arm64 says its frequency.
inline std::uint64_t ticks_for(std::uint64_t ns) {
#if defined(__aarch64__)
  std::uint64_t frequency = 0;
  asm("mrs %0, cntfrq_el0" : "=r"(frequency));
  return ns * (frequency / 1'000'000U) / 1000U;
#else
  return g_clock == recording::Clock::kTsc ? ns * 5 / 2 : ns;
#endif
}

inline std::uint64_t ticks() {
#if defined(LAMPREY_FORCE_MONOTONIC)  // benchmarks measure this path on machines with a good TSC
  return read_clock(CLOCK_MONOTONIC);
#elif defined(__x86_64__)
  if (g_clock == recording::Clock::kTsc) [[likely]] {
    return __builtin_ia32_rdtsc();  // x86intrin.h wants all of stdlib.h
  }
  return read_clock(CLOCK_MONOTONIC);
#else
  std::uint64_t value = 0;
  asm volatile("mrs %0, cntvct_el0" : "=r"(value));
  return value;
#endif
}

inline recording::ClockPair clock_pair() {
  constexpr std::uint64_t kUndisturbedNs = 2000;
  return recording::closest_pair([] { return ticks(); }, [] { return read_clock(CLOCK_MONOTONIC); },
                                 ticks_for(kUndisturbedNs));
}

}  // namespace base
}  // namespace lamprey::preload
