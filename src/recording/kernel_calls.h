// Names and kinds of the kernel's system calls, by number, for the architecture that this is built
// for. No behaviour lives here.
#pragma once

#include <array>
#include <cstdint>

namespace lamprey::recording {

enum class KernelCallKind : std::uint8_t {
  kUnknown,  // no row has this number
  kPlain,
  kBytes,
  kUntouched,
};

struct KernelCallInfo {
  const char* name = nullptr;  // nullptr: kUnknown
  KernelCallKind kind = KernelCallKind::kUnknown;
};

// Numbers from here on belong to no call that we know, and are counted nowhere.
inline constexpr std::uint32_t kKernelNumbers = 512;

inline constexpr std::array<KernelCallInfo, kKernelNumbers> kKernelCalls = [] {
  std::array<KernelCallInfo, kKernelNumbers> calls{};
  const auto row = [&calls](const char* name, int number, KernelCallKind kind) {
    if (number >= 0) {
      calls[static_cast<std::size_t>(number)] = {name, kind};
    }
  };
#if defined(__x86_64__)
#define KERNEL_CALL(name, x86_64, arm64, kind) row(#name, x86_64, KernelCallKind::k##kind);
#else
#define KERNEL_CALL(name, x86_64, arm64, kind) row(#name, arm64, KernelCallKind::k##kind);
#endif
#include "recording/kernel_calls.def"
#undef KERNEL_CALL
  return calls;
}();

}  // namespace lamprey::recording
