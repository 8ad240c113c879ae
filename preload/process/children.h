// Child processes: which program, how each ended and what it used. Noted where a child is started
// and where it is waited for. A hook may call these; a vfork child does, for itself.
//
// System call: getrusage of the children, after one was waited for by waitpid(2), which says
// nothing of what the child used.
#pragma once

#include <cstdint>

struct rusage;

namespace lamprey::preload {
inline namespace process {

namespace children {

// A child runs, or is about to run, `program`; nullptr: it is a fork of this process. The pointers
// may be bad. `arguments`: argv, with the program's name.
void started(std::int32_t pid, const char* program, char* const* arguments);
// One has ended. `status`: as wait(2) gives it, nullptr: not known. `usage`: its own, or nullptr.
void ended(std::int32_t pid, const int* status, const rusage* usage);
// system(3), pclose(3): a shell ran from `began` on.
void shell_ran(std::uint64_t began, int status);
// This process sends a signal to a child, or to a child's process group.
void signalled(std::int32_t pid);

}  // namespace children

}  // namespace process
}  // namespace lamprey::preload
