// The runtime that a wrapper starts as its child, instead of becoming it (AWS's own sample in
// Python does so, by os.system). Which process is the runtime shows only when one asks for its
// first invocation; by then a library that is not there has missed all.
//
// The wrapper in /opt names in _LAMPREY_COMMAND what it was asked to start, a word a line. As long
// as this process has not asked for an invocation itself, a child that runs one of these words, or
// a shell that is told to, takes the library along. Every other child goes without, as ever. A
// child that never asks takes its recording away when it exits; the rest is the companion's
// (companion/recordings.h).
#pragma once

namespace lamprey::preload {
inline namespace process {

namespace launched {

// Reads the words, before leave_environment(). Constructor only.
void attach();
// Whether the program of this process is one of the words. Constructor only, after attach().
bool is_candidate();
// This process has asked for an invocation: it is the runtime, and its children are not.
void found();

// Whether `program` may be the runtime, or a shell that starts it. The pointers may be bad. In a
// vfork child, too: nothing is written.
bool takes_library(const char* program, char* const* arguments);
// What such a program is to have as its environment: `environment` itself, or a copy of it with the
// library, which stays (there are one or two in the life of a process).
char* const* environment_for(const char* program, char* const* arguments, char* const* environment);

// Whether this command of a shell may start the runtime. It may be a bad pointer.
bool starts_runtime(const char* command);
// system(3) for such a command: the shell has the library in its environment. (libc's takes the
// process's own environment, which cannot be changed for a moment: other threads read it, and may
// be setting a variable.) Not a cancellation point.
int run_shell(const char* command);

}  // namespace launched

}  // namespace process
}  // namespace lamprey::preload
