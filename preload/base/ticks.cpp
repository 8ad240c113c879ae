// Chooses the clock of the hooks.
#include "preload/base/ticks.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace lamprey::preload {
inline namespace base {

recording::Clock g_clock = recording::Clock::kMonotonic;

void choose_clock() {
#if defined(LAMPREY_FORCE_MONOTONIC)
  g_clock = recording::Clock::kMonotonic;
#elif defined(__x86_64__)
  // CPUID 0x80000007, EDX bit 8: the TSC runs at one rate in all P-, C- and T-states (Intel SDM
  // vol. 3, 18.17.1; AMD APM vol. 3). Without it a tick is no measure of time.
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  if (__get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) != 0 && (edx & (1U << 8)) != 0) {
    g_clock = recording::Clock::kTsc;
  }
#else
  g_clock = recording::Clock::kCntvct;  // architecturally constant
#endif
}

}  // namespace base
}  // namespace lamprey::preload
