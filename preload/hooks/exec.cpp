// exec in place: a process that is recorded and replaces its own program (a wrapper script in
// Python or Ruby, a version manager's shim, bash's `exec`) takes the library along, although it
// had left the environment. A child that execs does not: it has another pid. Unless it may be the
// runtime that a wrapper starts (process/launched.h).
//
// After vfork these run in the parent's memory on the parent's stack: so no static buffer is
// written and everything lives in this frame.
#include <alloca.h>

#include <cerrno>
#include <cstdarg>

#include "preload/base/raw_syscall.h"
#include "preload/hooks/hook.h"
#include "preload/libc/environment.h"
#include "preload/libc/real.h"
#include "preload/process/children.h"
#include "preload/process/launched.h"
#include "preload/process/thread.h"
#include "preload/process/vfork.h"

extern "C" char** environ;  // NOLINT(readability-redundant-declaration)

namespace lamprey::preload::hooks {
namespace {

bool replaces_recorded_process() {
  return recording_here() && raw_syscall(SYS_getpid) == g_writer.header().pid;
}

// Calls `exec(environment)` with what the new program should get. Returns only on failure.
template <class Exec>
int exec_with(const char* program, char* const* arguments, char* const* environment, Exec exec) {
  const bool replaces = replaces_recorded_process();
  const bool along = replaces || launched::takes_library(program, arguments);
  const std::size_t entries = along ? entries_for_exec(environment) : 0;
  if (entries == 0) {
    return exec(environment);
  }
  char** copy = static_cast<char**>(alloca(entries * sizeof(char*)));
  char preload[kPreloadBytes];
  environment_for_exec(environment, copy, entries, preload, sizeof(preload));
  if (!replaces) {
    return exec(copy);
  }
  recording::Header& header = g_writer.header();
  __atomic_fetch_or(&header.flags, recording::kFlagExec, __ATOMIC_RELAXED);
  const int result = exec(copy);
  __atomic_fetch_and(&header.flags, ~recording::kFlagExec, __ATOMIC_RELAXED);
  return result;
}

// A child made by vfork, or by clone with our memory, says which program it becomes.
void note_child(const char* program, char* const* arguments) {
  if (recording_here() && in_vfork_child()) {
    children::started(static_cast<std::int32_t>(raw_syscall(SYS_getpid)), program, arguments);
  }
}

int missing() {
  errno = ENOSYS;
  return -1;
}

}  // namespace
}  // namespace lamprey::preload::hooks

// Hooks only, from here on.
using namespace lamprey::preload;         // NOLINT(google-build-using-namespace)
using namespace lamprey::preload::hooks;  // NOLINT(google-build-using-namespace)

LAMPREY_HOOK(int, execve, const char* path, char* const* arguments, char* const* environment) {
  if (!available(g_real.execve, "execve")) {
    return missing();
  }
  note_child(path, arguments);
  return exec_with(
      path, arguments, environment, [=](char* const* with) __attribute__((always_inline)) {
        return g_real.execve(path, arguments, with);
      });
}

LAMPREY_HOOK(int, execv, const char* path, char* const* arguments) {
  return hook_execve(path, arguments, environ);
}

LAMPREY_HOOK(int, execvpe, const char* file, char* const* arguments, char* const* environment) {
  if (!available(g_real.execvpe, "execvpe")) {
    return missing();
  }
  note_child(file, arguments);
  return exec_with(
      file, arguments, environment, [=](char* const* with) __attribute__((always_inline)) {
        return g_real.execvpe(file, arguments, with);
      });
}

LAMPREY_HOOK(int, execvp, const char* file, char* const* arguments) {
  return hook_execvpe(file, arguments, environ);
}

LAMPREY_HOOK(int, fexecve, int fd, char* const* arguments, char* const* environment) {
  if (!available(g_real.fexecve, "fexecve")) {
    return missing();
  }
  return exec_with(
      nullptr, arguments, environment, [=](char* const* with) __attribute__((always_inline)) {
        return g_real.fexecve(fd, arguments, with);
      });
}

// The list forms: the arguments are copied into an array on the stack, as libc itself does (no
// malloc: this may be a vfork child).
#define LAMPREY_COLLECT_ARGUMENTS(first)                                       \
  va_list list;                                                                \
  va_start(list, first);                                                       \
  std::size_t count = 1;                                                       \
  while (va_arg(list, char*) != nullptr) {                                     \
    ++count;                                                                   \
  }                                                                            \
  va_end(list);                                                                \
  char** arguments = static_cast<char**>(alloca((count + 1) * sizeof(char*))); \
  va_start(list, first);                                                       \
  arguments[0] = const_cast<char*>(first);                                     \
  for (std::size_t i = 1; i <= count; ++i) {                                   \
    arguments[i] = va_arg(list, char*);                                        \
  }

LAMPREY_HOOK(int, execl, const char* path, const char* first, ...) {
  LAMPREY_COLLECT_ARGUMENTS(first)
  va_end(list);
  return hook_execve(path, arguments, environ);
}

LAMPREY_HOOK(int, execlp, const char* file, const char* first, ...) {
  LAMPREY_COLLECT_ARGUMENTS(first)
  va_end(list);
  return hook_execvpe(file, arguments, environ);
}

LAMPREY_HOOK(int, execle, const char* path, const char* first, ...) {
  LAMPREY_COLLECT_ARGUMENTS(first)
  char* const* environment = va_arg(list, char* const*);
  va_end(list);
  return hook_execve(path, arguments, environment);
}
#undef LAMPREY_COLLECT_ARGUMENTS
