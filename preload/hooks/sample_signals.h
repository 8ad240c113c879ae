// What a program that waits for signals is shown while CPU time is sampled: all but our SIGURG. A
// thread that blocks signals and fetches them (sigwait, a signalfd) would be handed ours otherwise:
// seen 157 times in a run of CPython's tests.
#pragma once

#include <csignal>
#include <cstdint>

#include "preload/base/page_probe.h"
#include "preload/cpu/cpu.h"

namespace lamprey::preload::hooks {

inline constexpr std::uint64_t kSampleBit = std::uint64_t{1}
                                            << static_cast<unsigned>(cpu::kSignal - 1);

// A set of signals without ours, for the time of one call. Who asks for that signal and no other
// has a use for it: then it is left, and samples end.
class WithoutSamples {
 public:
  explicit WithoutSamples(const sigset_t* asked) : asked_(asked), without_(0) {
    std::uint64_t bits = 0;
    if (!cpu::samples() || asked == nullptr ||
        !page_probe::readable(reinterpret_cast<std::uintptr_t>(asked), sizeof(bits))) {
      return;
    }
    __builtin_memcpy(&bits, asked, sizeof(bits));
    if (bits == kSampleBit) {
      cpu::stop();
    } else if ((bits & kSampleBit) != 0) {
      without_ = bits & ~kSampleBit;
    }
  }
  // As the kernel wants it, which reads 8 bytes; libc copies all of a sigset_t.
  const sigset_t* mask() {
    if (without_ == 0) {
      return asked_;
    }
    copy_ = {};
    __builtin_memcpy(&copy_, &without_, sizeof(without_));
    return &copy_;
  }

 private:
  const sigset_t* asked_;
  std::uint64_t without_;
  sigset_t copy_;
};

}  // namespace lamprey::preload::hooks
