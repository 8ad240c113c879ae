// Makes the recording's file. All failures are values, for the caller to put into words.
#pragma once

#include <cstddef>

#include "recording/extras.h"

namespace lamprey::preload {
inline namespace process {

struct FileResult {
  std::byte* base;    // as many bytes as asked for, zeroed, MAP_SHARED; nullptr on failure
  long error;         // errno value, 0 on success
  const char* doing;  // what failed, for a person; goes on with the directory: "opening "
};

// Where recordings are made from now on, if that is an absolute path of moderate length (see
// recording/place.h); else, and with nullptr, where they were: in /tmp/lamprey at first.
void use_directory(const char* path);
const char* recording_directory();

// Creates the directory (0700; never through somebody else's symlink or in somebody else's
// directory) and <pid>.rec in it (0600), allocates its whole size on the disk (that of a recording
// with `extras`) and maps it. Holds no descriptor afterwards. `process_start`
// tells our own former program (exec in place, whose file is replaced) from another process that
// had the same pid (whose file is kept, renamed).
FileResult create_recording_file(int pid, unsigned long process_start, recording::Extras extras);

// Field 22 of /proc/self/stat; 0 when it cannot be read.
unsigned long process_start_time();

// Sets the times of <pid>.rec: whoever watches the directory is woken.
void touch_recording_file(int pid);

// Removes <pid>.rec, if it is the recording with this header.
void remove_recording_file(const recording::Header& ours);

}  // namespace process
}  // namespace lamprey::preload
