// Death by a signal, noticed from inside: our handler stands where the program has none, writes the
// Death record, puts the kernel's default back and sends the same signal again with the same
// siginfo. So exit status, core dump and whoever waits see what they would have seen.
//
// The program cannot tell (promise 1):
//   * Only signals whose disposition is SIG_DFL at attach get the handler. sigaction(), signal()
//     and their kin are hooked: wherever they would show our handler, they show SIG_DFL without
//     flags or mask, which is what was there. A handler that the program sets replaces ours for
//     as long as it stays, and so does everything else it may set (SIG_IGN; SIG_DFL with flags).
//     SIG_DFL without flags over ours (Node sets it for every signal when it starts) changes
//     nothing that anybody could see, so ours stays. SIG_DFL without flags over the program's own
//     handler means the kernel's default, as ours does, so ours comes back: Rust's and Node's
//     handlers of SIGSEGV and Python's faulthandler set it before they let the fault happen again.
//   * So the handlers of the JVM, .NET, Ruby, Python's faulthandler, V8's WebAssembly traps and
//     sanitizers run as ever, and find SIG_DFL as what was there before them.
//   * exec resets handlers to the default, as SIG_DFL stays the default.
//   * Go reads dispositions by system call and forwards faults to what it finds, where for SIG_DFL
//     it would print its own report: in a Go program nothing is installed. (A Go library that is
//     loaded later, -buildmode=c-shared, would still see the handler: a fault in its C code then
//     kills by the signal instead of by Go's exit status 2.)
//   * A process that is pid 1 of its namespace ignores signals sent with SIG_DFL: nothing but
//     faults is watched there.
//
// Stack overflow: a handler needs a stack. The main thread gets an alternate one of 64 KB at attach
// where it has none (the memory is touched only by a crash), hidden from sigaltstack() in the same
// way. Other threads get none, for each would cost a system call and a mapping: their overflow
// kills as without us, and the record says that the signal is not known.
#include "preload/hooks/deadly_signals.h"

#include <elf.h>
#include <sys/mman.h>
#include <initializer_list>

#include <csignal>

#include "preload/base/elf_notes.h"
#include "preload/base/interrupted_registers.h"
#include "preload/base/raw_syscall.h"
#include "preload/base/text.h"
#include "preload/base/tripwire.h"
#include "preload/cpu/cpu.h"
#include "preload/ending/death.h"
#include "preload/hooks/hook.h"
#include "preload/libc/real.h"
#include "preload/process/thread.h"

namespace lamprey::preload::hooks {
namespace {

using recording::DeathKind;

constexpr int kFaults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};
constexpr int kSentByOthers[] = {SIGTERM, SIGPIPE};

constexpr long kStackBytes = 64L * 1024;
constexpr long kGuardBytes = 4096;
void* g_alternate_stack = nullptr;

// The kernel's sigaction, large enough for either architecture (x86-64: handler, flags, restorer,
// mask; arm64 the same).
struct KernelAction {
  std::uint64_t handler;
  std::uint64_t flags;
  std::uint64_t restorer;
  std::uint64_t mask;
};
constexpr long kMaskBytes = 8;

void on_deadly_signal(int number, siginfo_t* info, void* context);

// Of deadly signals, or of CPU samples.
bool is_our_handler(std::uintptr_t handler) {
  return handler == reinterpret_cast<std::uintptr_t>(&on_deadly_signal) ||
         (handler != 0 && handler == cpu::handler());
}

bool is_our_handler(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) != 0 &&
         is_our_handler(reinterpret_cast<std::uintptr_t>(action.sa_sigaction));
}

bool same_action_as_at_attach(const struct sigaction& action) {
  struct sigaction plain = {};
  return action.sa_handler == SIG_DFL && action.sa_flags == 0 &&
         __builtin_memcmp(&action.sa_mask, &plain.sa_mask, kMaskBytes) == 0;
}

// Signals for which the program has set SIG_DFL over our handler: bit number.
std::uint64_t g_defaulted = 0;
constexpr int kRestorerFlag = 0x04000000;  // SA_RESTORER: libc adds it, and its restorer, to a set

// As libc fills it in where the default is: it copies the kernel's words and no more.
void show_default(int number, struct sigaction& action) {
  const bool set = ((recording::load(g_defaulted) >> static_cast<unsigned>(number)) & 1U) != 0;
  action.sa_handler = SIG_DFL;
  action.sa_flags = set ? action.sa_flags & kRestorerFlag : 0;
  action.sa_restorer = set ? action.sa_restorer : nullptr;
  __builtin_memset(&action.sa_mask, 0, kMaskBytes);
}

void fill_registers(ending::SelfReport& account, const void* context) {
  if (context != nullptr) {
    const InterruptedRegisters registers = interrupted_registers(context);
    account.pc = registers.pc;
    account.stack_pointer = registers.sp;
  }
}

// The thread that is writing its report, and the signal that kills it. A walk over a ruined stack
// may fault; the process then still dies by the first signal.
std::int32_t g_dying_tid = 0;
int g_dying_of = 0;

// The default action, for the same signal with the same siginfo: it is held back while this handler
// runs and arrives the moment it returns, so that a core dump shows the faulting instruction.
void leave_to_the_kernel(int number, siginfo_t* info) {
  const KernelAction plain = {};
  raw_syscall(SYS_rt_sigaction, number, pointer_argument(&plain), 0, kMaskBytes);
  const long pid = raw_syscall(SYS_getpid);
  const long tid = raw_syscall(SYS_gettid);
  if (raw_syscall(SYS_rt_tgsigqueueinfo, pid, tid, number, pointer_argument(info)) != 0) {
    raw_syscall(SYS_tgkill, pid, tid, number);  // RLIMIT_SIGPENDING
  }
}

// Ends the process by that signal, now.
void die_of(int number, siginfo_t* info) {
  leave_to_the_kernel(number, info);
  const std::uint64_t only = std::uint64_t{1} << static_cast<unsigned>(number - 1);
  raw_syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, pointer_argument(&only), 0, kMaskBytes);
}

void on_deadly_signal(int number, siginfo_t* info, void* context) {
  const auto tid = static_cast<std::int32_t>(raw_syscall(SYS_gettid));
  if (recording::load(g_dying_tid) == tid) {
    siginfo_t first = {};
    first.si_signo = g_dying_of;
    die_of(g_dying_of, &first);
  }
  if (ending::is_ours()) {
    g_dying_of = number;
    recording::store(g_dying_tid, tid);
    const bool sent = info->si_code <= 0;  // SI_USER, SI_TKILL, ...: by a process, not by a fault
    ending::SelfReport account = {
        DeathKind::kSignal, 0, number, info->si_code, 0, 0, 0, 0, nullptr};
    account.sender = sent ? info->si_pid : 0;
    account.address = sent ? 0 : reinterpret_cast<std::uintptr_t>(info->si_addr);
    account.message = number == SIGABRT ? ending::abort_message() : nullptr;
    account.context = context;
    fill_registers(account, context);
    ending::write(account, true);
    recording::store(g_dying_tid, 0);
  }
  leave_to_the_kernel(number, info);
}

void allow_signal(sigset_t& mask, int number) {
  std::uint64_t bits = 0;
  __builtin_memcpy(&bits, &mask, sizeof(bits));
  bits &= ~(std::uint64_t{1} << static_cast<unsigned>(number - 1));
  __builtin_memcpy(&mask, &bits, sizeof(bits));
}

struct sigaction our_action() {
  struct sigaction action = {};
  action.sa_sigaction = on_deadly_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  // All but faults, which this very handler may raise.
  __builtin_memset(&action.sa_mask, 0xFF, sizeof(action.sa_mask));
  for (const int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP}) {
    allow_signal(action.sa_mask, fault);
  }
  return action;
}

std::uint64_t g_watched = 0;  // signals that got our handler at attach: bit number

std::uint64_t bit_of(int number) { return std::uint64_t{1} << static_cast<unsigned>(number); }

void watch(int number) {
  if (disposition(number) == Disposition::kDefault) {
    const struct sigaction action = our_action();
    g_real.sigaction(number, &action, nullptr);
    g_watched |= bit_of(number);
  }
}

void give_main_thread_a_stack() {
  stack_t now = {};
  if (raw_syscall(SYS_sigaltstack, 0, pointer_argument(&now)) != 0 ||
      (now.ss_flags & SS_DISABLE) == 0) {
    return;
  }
  const long mapped = raw_syscall(SYS_mmap, 0, kGuardBytes + kStackBytes, PROT_NONE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped < 0 && mapped > -4096) {
    return;
  }
  if (raw_syscall(SYS_mprotect, mapped + kGuardBytes, kStackBytes, PROT_READ | PROT_WRITE) != 0) {
    raw_syscall(SYS_munmap, mapped, kGuardBytes + kStackBytes);
    return;
  }
  stack_t ours = {};
  ours.ss_sp = reinterpret_cast<void*>(mapped + kGuardBytes);
  ours.ss_size = kStackBytes;
  if (raw_syscall(SYS_sigaltstack, pointer_argument(&ours), 0) == 0) {
    g_alternate_stack = ours.ss_sp;
  }
}

}  // namespace

// Go's linker marks its programs with a note of its own (and with nothing else that a strip(1)
// would leave).
bool is_go_program() {
  if (g_real.getauxval == nullptr) {
    return false;
  }
  const auto* headers = reinterpret_cast<const Elf64_Phdr*>(g_real.getauxval(3 /* AT_PHDR */));
  const unsigned long count = g_real.getauxval(5 /* AT_PHNUM */);
  std::uint64_t bias = 0;
  for (unsigned long i = 0; headers != nullptr && i < count; ++i) {
    if (headers[i].p_type == PT_PHDR) {
      bias = reinterpret_cast<std::uintptr_t>(headers) - headers[i].p_vaddr;
    }
  }
  for (unsigned long i = 0; headers != nullptr && i < count; ++i) {
    if (headers[i].p_type != PT_NOTE) {
      continue;
    }
    const auto* at = reinterpret_cast<const std::uint8_t*>(bias + headers[i].p_vaddr);
    if (find_note(at, at + headers[i].p_memsz,
                  [](const ElfNote& note) { return has_name(note, "Go\0"); })) {
      return true;
    }
  }
  return false;
}

Disposition disposition(int number) {
  KernelAction action = {};
  if (raw_syscall(SYS_rt_sigaction, number, 0, pointer_argument(&action), kMaskBytes) != 0) {
    return number == SIGKILL ? Disposition::kDefault : Disposition::kOther;
  }
  if (is_our_handler(action.handler)) {
    return Disposition::kOurs;
  }
  return action.handler == 0 ? Disposition::kDefault : Disposition::kOther;
}

bool kills_by_default(int number) {
  static constexpr int kHarmless[] = {SIGCHLD, SIGCONT, SIGURG,  SIGWINCH,
                                      SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
  for (const int harmless : kHarmless) {
    if (number == harmless) {
      return false;
    }
  }
  return number > 0 && number <= 64;
}

void watch_deadly_signals() {
  if (g_real.sigaction == nullptr || is_go_program()) {
    return;
  }
  for (const int number : kFaults) {
    watch(number);
  }
  if (g_writer.header().pid != 1) {
    for (const int number : kSentByOthers) {
      watch(number);
    }
  }
  give_main_thread_a_stack();
}

}  // namespace lamprey::preload::hooks

// Hooks only, from here on.
using namespace lamprey::preload;         // NOLINT(google-build-using-namespace)
using namespace lamprey::preload::hooks;  // NOLINT(google-build-using-namespace)

namespace {

using Handler = void (*)(int);

int answer_sigaction(int number, const struct sigaction* action, struct sigaction* old) {
  tripwire::check("sigaction");
  if (!available(g_real.sigaction, "sigaction")) {
    return -1;
  }
  // libc refuses other numbers before it looks at `action`.
  const bool watchable = number > 0 && number < 32;
  const bool to_default = watchable && action != nullptr && same_action_as_at_attach(*action);
  const bool leaves_ours = to_default && disposition(number) == Disposition::kOurs;
  const bool brings_ours_back = to_default && !leaves_ours && (g_watched & bit_of(number)) != 0;
  const bool hands_over = number == cpu::kSignal && action != nullptr && !leaves_ours &&
                          disposition(number) == Disposition::kOurs;
  if (hands_over) {
    cpu::give_way();  // the program's own now
  }
  struct sigaction ours = {};
  if (brings_ours_back) {
    ours = our_action();
  }
  if (number == SIGSEGV && action != nullptr && action->sa_handler != SIG_DFL &&
      action->sa_handler != SIG_IGN) {
    cpu::fault_handler_came(reinterpret_cast<std::uintptr_t>(action->sa_handler));
  }
  const struct sigaction* to_set = brings_ours_back ? &ours : leaves_ours ? nullptr : action;
  const int result = g_real.sigaction(number, to_set, old);
  if (result == 0 && old != nullptr && (hands_over || is_our_handler(*old))) {
    show_default(number, *old);
  }
  if (leaves_ours || brings_ours_back) {  // after `old` was filled: that is what stood there before
    __atomic_fetch_or(&g_defaulted, bit_of(number), __ATOMIC_RELAXED);
  }
  return result;
}

// Before one of signal()'s kin sets `number`: the samples' signal is the program's from here on.
bool hands_over(int number) {
  const bool ours = number == cpu::kSignal && disposition(number) == Disposition::kOurs;
  if (ours) {
    cpu::give_way();
  }
  return ours;
}

Handler shown(bool handed_over, Handler before) {
  const bool ours = handed_over || is_our_handler(reinterpret_cast<std::uintptr_t>(before));
  return ours && before != SIG_ERR ? SIG_DFL : before;
}

}  // namespace

LAMPREY_HOOK(int, sigaction, int number, const struct sigaction* action, struct sigaction* old) {
  return answer_sigaction(number, action, old);
}

LAMPREY_HOOK(int, __sigaction, int number, const struct sigaction* action, struct sigaction* old) {
  return answer_sigaction(number, action, old);
}

#define LAMPREY_SIGNAL_HOOK(symbol)                            \
  LAMPREY_HOOK(Handler, symbol, int number, Handler handler) { \
    tripwire::check(#symbol);                                  \
    if (!available(g_real.symbol, #symbol)) {                  \
      return SIG_ERR;                                          \
    }                                                          \
    const bool handed_over = hands_over(number);               \
    return shown(handed_over, g_real.symbol(number, handler)); \
  }
LAMPREY_SIGNAL_HOOK(signal)
LAMPREY_SIGNAL_HOOK(bsd_signal)
LAMPREY_SIGNAL_HOOK(ssignal)
LAMPREY_SIGNAL_HOOK(sysv_signal)
LAMPREY_SIGNAL_HOOK(__sysv_signal)
LAMPREY_SIGNAL_HOOK(sigset)
#undef LAMPREY_SIGNAL_HOOK

LAMPREY_HOOK(int, sigaltstack, const stack_t* stack, stack_t* old) {
  tripwire::check("sigaltstack");
  const int result =
      available(g_real.sigaltstack, "sigaltstack") ? g_real.sigaltstack(stack, old) : -1;
  if (result == 0 && old != nullptr && g_alternate_stack != nullptr &&
      old->ss_sp == g_alternate_stack) {
    *old = {nullptr, SS_DISABLE, 0};
  }
  return result;
}

LAMPREY_HOOK(int, sigpending, sigset_t* set) {
  tripwire::check("sigpending");
  const int result = available(g_real.sigpending, "sigpending") ? g_real.sigpending(set) : -1;
  if (result == 0 && cpu::samples()) {
    allow_signal(*set, cpu::kSignal);
  }
  return result;
}
