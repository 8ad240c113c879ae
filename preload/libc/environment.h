// The process's environment variables, read and edited without libc's setenv: that allocates, and
// takes a lock which other threads may hold. Only for the constructor (one thread) and for exec.
//
// What the wrapper and `lamprey run` say to the library, and nobody else sets:
//   _LAMPREY_TARGET       pid of the process that is to be recorded
//   _LAMPREY_ROLE         "run" under `lamprey run`; absent: a Lambda runtime
//   _LAMPREY_ENVIRONMENT  AWS_LAMBDA_RUNTIME_API as the wrapper found it
//   _LAMPREY_COMMAND      words of the command that the wrapper was asked to start, one a line:
//                         what a runtime may be that another wrapper starts as its child
//   _LAMPREY_DIRECTORY    where recordings lie, if not in /tmp/lamprey (`lamprey run` and `local`)
#pragma once

#include <cstddef>

namespace lamprey::preload {
inline namespace libc {

inline constexpr const char* kTargetVariable = "_LAMPREY_TARGET";
inline constexpr const char* kRoleVariable = "_LAMPREY_ROLE";
inline constexpr const char* kEnvironmentVariable = "_LAMPREY_ENVIRONMENT";
inline constexpr const char* kCommandVariable = "_LAMPREY_COMMAND";
inline constexpr const char* kPreloadVariable = "LD_PRELOAD";

// The value of `name`, borrowed from the environment; nullptr when unset.
const char* environment_value(const char* name);

// The directory of this library as LD_PRELOAD names it, with its slash, NUL behind; 0: not there,
// or no room. Returns the bytes without NUL.
std::size_t own_directory(char* to, std::size_t capacity);

// Takes our own library out of LD_PRELOAD (others stay, in order) and the _LAMPREY_* variables
// out, so that children do not carry them. Remembers them for environment_for_exec.
void leave_environment();
// The same of _LAMPREY_COMMAND alone, where children are followed and carry the rest.
void leave_command();

// The number of entries that environment_for_exec needs room for, terminator included; 0 when
// `environment` is too large to be copied, or not there to be read (then it is passed on as it is).
std::size_t entries_for_exec(char* const* environment);

// Fills `to`, which has room for `capacity` entries, with `environment` plus what leave_environment
// took out, for a program that replaces this one in the same process. `preload` receives the
// LD_PRELOAD string. Another thread may have put more into `environment` since it was counted: what
// there is no room for is left out, as if it had come later.
void environment_for_exec(char* const* environment, char** to, std::size_t capacity, char* preload,
                          std::size_t preload_bytes);

// Longest LD_PRELOAD string that environment_for_exec builds, in bytes with NUL.
inline constexpr std::size_t kPreloadBytes = 4096;

}  // namespace libc
}  // namespace lamprey::preload
