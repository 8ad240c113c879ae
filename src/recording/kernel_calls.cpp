// Names of the kernel's calls for readers; see the header.
#include "recording/kernel_calls.h"

namespace lamprey::recording {

// A recording may be read on another machine than it was written on. By the list, which is short
// and there: a table for the other architecture would be 8 KB of the companion.
const char* kernel_call_name(bool arm64, std::uint32_t number) {
  for (const KernelCallRow& row : kKernelCallRows) {
    if (row.numbers[arm64 ? 1 : 0] == static_cast<int>(number)) {
      return row.name;
    }
  }
  return "unknown";
}

}  // namespace lamprey::recording
