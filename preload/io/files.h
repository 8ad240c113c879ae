// Files and directories: which path a call was about, and what is counted for it. How a path is
// normalised lives in paths.h, the last directory of each thread in recent_directory.h.
//
// Nothing here allocates, locks or touches errno. System call: getcwd after a chdir.
#pragma once

#include "preload/io/descriptors.h"

namespace lamprey::preload::io {

inline constexpr int kHere = -100;  // AT_FDCWD

// After an open of `path` relative to `at` that gave `fd`, or failed with errno.
void opened(int fd, int at, const char* path, const Spent& spent);
// After a call that asked about a path, or changed what it names.
void probed(int at, const char* path, const Spent& spent);
// The process's working directory may have changed.
void working_directory_changed();
// At attach: where the function's own code is (LAMBDA_TASK_ROOT); nullptr unknown.
void task_root_is(const char* path);

}  // namespace lamprey::preload::io
