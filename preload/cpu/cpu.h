// On-CPU samples, and where a running thread is when somebody asks.
//
// Each thread that is known has a timer on its own CPU clock; the kernel sends it SIGURG each time
// it has used another interval of CPU time. A thread that waits is never interrupted: the signal
// comes while it runs, and where the kernel hands CPU timers to task work (x86_64 since 5.10, arm64
// since 5.16) at its return to user mode, when no system call can be cut short. SIGURG, because its
// default is to be ignored: where somebody puts the default back, nothing happens. (SIGPROF kills
// then: golang/go #18220, gperftools #1535, CPython's test_signal.)
//
// Cost at 97 Hz: 3 to 10 us for each 10 ms of CPU time; a timer is 0.9 us a thread and no
// descriptor. Each sample stands for 1 + overrun intervals, so that the sum is the CPU time.
//
// Not in .NET. Its handler of faults goes back from the alternate stack to the thread's own, and
// leaves there what it still needs (SwitchStackAndExecuteHandler in coreclr/pal/src/exception/
// signal.cpp). The kernel takes that stack for free and puts our frame over it. A handler of ours
// without SA_ONSTACK was no cure: 4 of 18 runs of tests/hazard/dotnet died even so.
//
// The program cannot tell: hooks/deadly_signals.cpp hides the handler, hooks/sample_signals.cpp the
// signal. As soon as the program itself has a use for SIGURG, it gets it and samples end.
#pragma once

#include <csignal>
#include <cstdint>

#include "recording/asked.h"

namespace lamprey::preload::cpu {

inline constexpr int kSignal = recording::kAskSignal;
static_assert(kSignal == SIGURG);

// LAMPREY_CPU: samples a second of CPU time; 0: off, which is the default. A bad value is reported
// by the companion, or by `lamprey run`.
std::uint32_t wanted_hz(const char* setting);

// Installs the handler, and with `hz` above 0 the timers. At attach, when recording has begun. Not
// in a Go program (its runtime preempts by this signal), not in .NET, and not where the signal is
// in use.
void attach(std::uint32_t hz, bool go_program);
// The program has a handler for faults now: if that is .NET's, this ends.
void fault_handler_came(std::uintptr_t handler);
// In a forked child that gets a recording of its own: timers are not inherited.
void attach_child(std::uint32_t hz);

// What the kernel calls; 0: not installed.
std::uintptr_t handler();

// Whether timers run.
bool samples();

// The program sets a handler for the signal: no sample comes any more, also none that is on its
// way.
void give_way();
// The program fetches the signal itself: no more samples. One that is on its way may be fetched;
// throwing it away would throw away the program's own.
void stop();

// How a thread that the program starts is known from its first instruction on, while samples are
// taken. (Else it is at its first counted call; one that only computes would never be.) Handed to
// the real pthread_create in place of the program's own start and argument.
using Start = void* (*)(void*);
struct ThreadStart {
  Start start;
  void* argument;
};
ThreadStart known_start(Start start, void* argument);
void not_started(const ThreadStart& known);  // there is no such thread after all

}  // namespace lamprey::preload::cpu
