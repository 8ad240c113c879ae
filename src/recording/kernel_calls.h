// Names and kinds of the kernel's system calls, by number. No behaviour lives here.
#pragma once

#include <cstddef>
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

struct KernelCallTable {
  KernelCallInfo of[kKernelNumbers];
};

// One row of the list. `numbers`: x86-64's and arm64's; -1 where the call does not exist.
struct KernelCallRow {
  const char* name;
  std::int16_t numbers[2];
  KernelCallKind kind;
};

inline constexpr KernelCallRow kKernelCallRows[] = {
#define KERNEL_CALL(name, x86_64, arm64, kind) {#name, {x86_64, arm64}, KernelCallKind::k##kind},
#include "recording/kernel_calls.def"
#undef KERNEL_CALL
};

constexpr KernelCallTable kernel_calls_of(std::size_t architecture) {
  KernelCallTable calls{};
  for (const KernelCallRow& row : kKernelCallRows) {
    if (row.numbers[architecture] >= 0) {
      calls.of[row.numbers[architecture]] = {row.name, row.kind};
    }
  }
  return calls;
}

// The index in `numbers` of the architecture that this is built for.
#if defined(__x86_64__)
inline constexpr std::size_t kKernelArchitecture = 0;
#else
inline constexpr std::size_t kKernelArchitecture = 1;
#endif
inline constexpr KernelCallTable kKernelCalls = kernel_calls_of(kKernelArchitecture);

// The call's name, such as "openat"; "unknown" for a number without one. `arm64`: the number is
// arm64's (so it is if the recording's clock is arm64's counter), else x86-64's.
const char* kernel_call_name(bool arm64, std::uint32_t number);

}  // namespace lamprey::recording
