// What stubs and gate call: the counting. The assembly is exact_gate_x86_64.cpp's and
// exact_gate_arm64.cpp's. Compiled to use general registers only (library.cmake).
#include "preload/exact/exact_gate.h"

#include "preload/base/ticks.h"
#include "preload/process/thread.h"
#include "recording/kernel_calls.h"

namespace lamprey::preload::exact {

using recording::KernelCallKind;
using recording::kKernelNumbers;

namespace {

constexpr std::uint8_t kPlain = 0;
constexpr std::uint8_t kBytes = 1;
constexpr std::uint8_t kPass = 2;  // the assembly's word for it: made outside of the gate

struct CountedKinds {
  std::uint8_t of[kKernelNumbers];
};

constexpr std::uint8_t kind_of(KernelCallKind kind) {
  switch (kind) {
    case KernelCallKind::kPlain:
      return kPlain;
    case KernelCallKind::kBytes:
      return kBytes;
    default:
      return kPass;
  }
}

}  // namespace

extern "C" {
// Known to the assembly by these names. Of each number, whether it is counted; made of the table at
// compile time, without its names, which would be relocated in every process.
// NOLINTNEXTLINE(readability-identifier-naming)
[[gnu::visibility("hidden")]] extern constexpr CountedKinds lamprey_exact_kinds = [] {
  CountedKinds kinds{};
  for (std::uint32_t number = 0; number < kKernelNumbers; ++number) {
    kinds.of[number] = kind_of(recording::kKernelCalls.of[number].kind);
  }
  return kinds;
}();

// The time at which the call is made; 0: it is not to be counted.
[[gnu::visibility("hidden"), gnu::used]] std::uint64_t lamprey_exact_enter() {
  return recording_here() ? ticks() : 0;
}

[[gnu::visibility("hidden"), gnu::used]] void lamprey_exact_leave(std::uint64_t number,
                                                                  std::int64_t result,
                                                                  std::uint64_t begun) {
  constexpr std::int64_t kLowestError = -4095;
  const std::uint64_t end = ticks();
  if (!recording_here()) {
    return;  // a child, made by this very call
  }
  const bool failed = result < 0 && result >= kLowestError;
  const bool moved = !failed && lamprey_exact_kinds.of[number] == kBytes;
  g_writer.count_kernel(static_cast<std::uint32_t>(number), g_writer.busy_between(begun, end),
                        failed, moved ? static_cast<std::uint64_t>(result) : 0);
}
}

}  // namespace lamprey::preload::exact
