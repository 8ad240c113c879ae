// Makes the recording's file. All failures are values, for the caller to put into words.
#pragma once

#include <cstddef>

namespace lamprey::preload {
inline namespace process {

struct FileResult {
  std::byte* base;    // as many bytes as asked for, zeroed, MAP_SHARED; nullptr on failure
  long error;         // errno value, 0 on success
  const char* doing;  // what failed, for a person: "creating /tmp/lamprey"
};

// Creates /tmp/lamprey (0700; never through somebody else's symlink or in somebody else's
// directory) and <pid>.rec in it (0600), allocates its whole size on the disk (`bytes`: kFileBytes,
// or kExactFileBytes in exact mode) and maps it. Holds no descriptor afterwards. `process_start`
// tells our own former program (exec in place, whose file is replaced) from another process that
// had the same pid (whose file is kept, renamed).
FileResult create_recording_file(int pid, unsigned long process_start, std::size_t bytes);

// Field 22 of /proc/self/stat; 0 when it cannot be read.
unsigned long process_start_time();

// Removes <pid>.rec.
void remove_recording_file(int pid);

}  // namespace process
}  // namespace lamprey::preload
