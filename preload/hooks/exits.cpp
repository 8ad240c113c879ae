// Hooks of the calls that end a process on purpose: each writes down who called it, and then calls
// the real function. What is written and how: death.cpp.
//
// Nothing here changes when, in which order or with which status the process ends.
#include <csignal>

#include "preload/base/raw_syscall.h"
#include "preload/base/tripwire.h"
#include "preload/ending/death.h"
#include "preload/hooks/deadly_signals.h"
#include "preload/libc/real.h"
#include "preload/process/children.h"
#include "preload/process/thread.h"

namespace lamprey::preload::hooks {
namespace {

using recording::DeathKind;

std::uint64_t address_of(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

void note_exit(DeathKind kind, int status, const void* caller) {
  if (ending::is_ours()) {
    ending::write({kind, status, 0, 0, 0, 0, address_of(caller), 0, nullptr}, true);
  }
}

// A signal that the process sends to itself and that will kill it, unless the program handles,
// ignores or holds it back.
void note_sent(int number, const void* caller) {
  if (!ending::is_ours() || !kills_by_default(number) ||
      disposition(number) == Disposition::kOther) {
    return;
  }
  const int self = static_cast<int>(raw_syscall(SYS_getpid));
  ending::write({DeathKind::kSent, 0, number, 0, self, 0, address_of(caller), 0, nullptr}, true);
}

}  // namespace
}  // namespace lamprey::preload::hooks

// Hooks only, from here on.
using namespace lamprey::preload;         // NOLINT(google-build-using-namespace)
using namespace lamprey::preload::hooks;  // NOLINT(google-build-using-namespace)

#define LAMPREY_EXIT_HOOK(symbol, kind)                                                           \
  extern "C" __attribute__((visibility("default"), noreturn)) void hook_##symbol(int status) asm( \
      #symbol);                                                                                   \
  void hook_##symbol(int status) {                                                                \
    note_exit(kind, status, __builtin_return_address(0));                                         \
    if (available(g_real.symbol, #symbol)) {                                                      \
      g_real.symbol(status);                                                                      \
    }                                                                                             \
    while (true) { /* a libc without it: as near as can be */                                     \
      raw_syscall(SYS_exit_group, status);                                                        \
    }                                                                                             \
  }
LAMPREY_EXIT_HOOK(exit, DeathKind::kExit)
LAMPREY_EXIT_HOOK(quick_exit, DeathKind::kQuickExit)
LAMPREY_EXIT_HOOK(_exit, DeathKind::kImmediateExit)
LAMPREY_EXIT_HOOK(_Exit, DeathKind::kImmediateExit)
#undef LAMPREY_EXIT_HOOK

// libc's own calls of abort (a double free, an assertion) do not come by here: they are seen at
// SIGABRT.
extern "C" __attribute__((visibility("default"), noreturn)) void hook_abort() asm("abort");
void hook_abort() {
  if (ending::is_ours()) {
    const char* message = ending::abort_message();
    ending::write({DeathKind::kAbort, 0, SIGABRT, 0, 0, 0, address_of(__builtin_return_address(0)),
                   0, message != nullptr ? message : ending::exception_type()},
                  true);
  }
  if (available(g_real.abort, "abort")) {
    g_real.abort();
  }
  while (true) {
    raw_syscall(SYS_exit_group, 127);
  }
}

extern "C" __attribute__((visibility("default"))) int hook_raise(int number) asm("raise");
int hook_raise(int number) {
  tripwire::check("raise");
  note_sent(number, __builtin_return_address(0));
  return available(g_real.raise, "raise") ? g_real.raise(number) : -1;
}

extern "C" __attribute__((visibility("default"))) int hook_kill(pid_t to, int number) asm("kill");
int hook_kill(pid_t to, int number) {
  tripwire::check("kill");
  if (to == 0 || to == -1 || to == raw_syscall(SYS_getpid)) {
    note_sent(number, __builtin_return_address(0));
  } else if (number != 0 && recording_here()) {
    children::signalled(to);
  }
  return available(g_real.kill, "kill") ? g_real.kill(to, number) : -1;
}
