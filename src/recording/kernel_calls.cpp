// Names of the kernel's calls for readers; see the header.
#include "recording/kernel_calls.h"

namespace lamprey::recording {

// A recording may be read on a machine of the other architecture. So the list is searched: a table
// for the other architecture would add 8 KB to the companion.
const char* kernel_call_name(bool arm64, std::uint32_t number) {
  for (const KernelCallRow& row : kKernelCallRows) {
    if (row.numbers[arm64 ? 1 : 0] == static_cast<int>(number)) {
      return row.name;
    }
  }
  return "unknown";
}

}  // namespace lamprey::recording
