// The fault whose handler the calling thread is in. Who handles faults (the JVM, Ruby, Node.js)
// prints a report and then ends the process by abort() or raise(): what happened first is only on
// the stack, where the kernel wrote it down for the handler.
//
// The walk reaches the trampoline that a handler returns to; above it lie siginfo_t and ucontext_t
// (the kernel's struct rt_sigframe). They are believed only if the trampoline's instructions are
// there, and if the interrupted address is the one that the walk came to.
//
// The kernel writes siginfo_t for handlers with SA_SIGINFO only. Of others (CPython's faulthandler)
// what the processor said is in ucontext_t; it is believed where it fits the signal that then ends
// the process, and where no system call was interrupted: of a signal that somebody sent, what
// stands there is left from before.
//
// For one thread at a time. No lock, allocation, libc; any handler. What the walk meets
// may be ruined: a caller must outlive a fault (deadly_signals.cpp does).
#pragma once

#include <cstdint>

namespace lamprey::preload::stack {

struct HandledFault {
  int signal;  // SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP
  int code;    // si_code, above 0: by the processor, not by a process
  std::uintptr_t address;
  std::uintptr_t pc;
  std::uintptr_t sp;
};

// `killed_by`: the signal that ends the process. False: none, or another thread asks.
bool find_handled_fault(HandledFault& fault, int killed_by);

}  // namespace lamprey::preload::stack
