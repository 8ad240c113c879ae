// Hooks of calls with a variable argument list or no result; each says why it cannot be a row.
#include <cstdarg>

#include "preload/hooks/intercept.h"
#include "preload/hooks/waits.h"
#include "preload/process/launched.h"

namespace lamprey::preload::hooks {
namespace {

// The mode is there only when a file may be created (open(2)); reading it otherwise would read
// whatever stands in the register.
constexpr int kCreate = 0100;          // O_CREAT
constexpr int kTemporary = 020000000;  // __O_TMPFILE, x86-64 and arm64

bool has_mode(int flags) { return (flags & kCreate) != 0 || (flags & kTemporary) != 0; }

}  // namespace
}  // namespace lamprey::preload::hooks

// Hooks only, from here on.
using namespace lamprey::preload;         // NOLINT(google-build-using-namespace)
using namespace lamprey::preload::hooks;  // NOLINT(google-build-using-namespace)

// NOLINTBEGIN(clang-analyzer-valist.Uninitialized): the analyzer does not follow va_start here
#define LAMPREY_READ_MODE(flags)                   \
  mode_t mode = 0;                                 \
  if (has_mode(flags)) {                           \
    va_list list;                                  \
    va_start(list, flags);                         \
    mode = static_cast<mode_t>(va_arg(list, int)); \
    va_end(list);                                  \
  }

#define LAMPREY_OPEN(symbol)                                                                       \
  extern "C" __attribute__((visibility("default"))) int hook_##symbol(const char* path, int flags, \
                                                                      ...) asm(#symbol);           \
  int hook_##symbol(const char* path, int flags, ...) {                                            \
    LAMPREY_READ_MODE(flags)                                                                       \
    return intercept<Call::k_open>(#symbol, g_real.symbol, OpensPath(io::kHere, path), path,       \
                                   flags, mode);                                                   \
  }
LAMPREY_OPEN(open)
LAMPREY_OPEN(open64)
#undef LAMPREY_OPEN

#define LAMPREY_OPENAT(symbol)                                                                     \
  extern "C" __attribute__((visibility("default"))) int hook_##symbol(                             \
      int at, const char* path, int flags, ...) asm(#symbol);                                      \
  int hook_##symbol(int at, const char* path, int flags, ...) {                                    \
    LAMPREY_READ_MODE(flags)                                                                       \
    return intercept<Call::k_openat>(#symbol, g_real.symbol, OpensPath(at, path), at, path, flags, \
                                     mode);                                                        \
  }
LAMPREY_OPENAT(openat)
LAMPREY_OPENAT(openat64)
#undef LAMPREY_OPENAT
#undef LAMPREY_READ_MODE
// NOLINTEND(clang-analyzer-valist.Uninitialized)

// No result to judge. glibc 2.34 brought it; no program reaches it on an older one.
extern "C" __attribute__((visibility("default"))) void hook_closefrom(int first) asm("closefrom");
void hook_closefrom(int first) {
  tripwire::check("closefrom");
  if (!available(g_real.closefrom, "closefrom")) {
    return;
  }
  if (!recording_here()) {
    g_real.closefrom(first);
    return;
  }
  forget_descriptors(first < 0 ? 0U : static_cast<unsigned>(first), ~0U);
  const std::uint64_t begin = ticks();
  const Entry entry = enter_call(Call::k_closefrom, first, begin);
  g_real.closefrom(first);
  leave_call(entry);
  g_writer.count_call(entry.slot, Call::k_closefrom, g_writer.busy_between(begin, ticks()), false,
                      0);
}

// Another function is called where the shell may start the runtime.
extern "C" __attribute__((visibility("default"))) int hook_system(const char* command) asm(
    "system");
int hook_system(const char* command) {
  if (launched::starts_runtime(command)) [[unlikely]] {
    int (*run)(const char*) = launched::run_shell;
    return intercept<Call::k_system>("system", run, RunsShell(), command);
  }
  return intercept<Call::k_system>("system", g_real.system, RunsShell(), command);
}
