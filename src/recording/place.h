// How a process is told where recordings lie, if not in kDirectory. Names and bounds only.
#pragma once

#include <cstddef>

namespace lamprey::recording {

// `lamprey run` and `lamprey local` name a directory in this variable. On Lambda nobody can: a
// user's variables may not begin with an underscore.
inline constexpr const char* kDirectoryVariable = "_LAMPREY_DIRECTORY";
inline constexpr std::size_t kMaxDirectoryBytes = 128;  // with NUL

}  // namespace lamprey::recording
