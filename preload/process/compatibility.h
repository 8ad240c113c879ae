// The layer's list of builds on which a part of the library stays off: data, so that a finding on
// one platform becomes one line of layer/compatibility, which says what a line looks like.
//
// The list lies beside the library (lib/lamprey.compatibility); where there is none, nothing is
// off. Read once, at attach. No allocation, lock, libc.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamprey::preload {
inline namespace process {
namespace compatibility {

// Reads the list, while LD_PRELOAD still names the library (before leave_environment).
void attach();

// Whether `part` stays off in this process: by Lambda's name of the runtime or libc's version.
bool is_off(const char* part);
// The same for what has to do with one module: by its build id, too.
bool is_off(const char* part, const std::uint8_t* build_id, std::size_t bytes);

}  // namespace compatibility
}  // namespace process
}  // namespace lamprey::preload
