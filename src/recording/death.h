// The part of a recording's header in which a process says that it ends. Part of the contract of
// layout.h; only plain data lives here.
#pragma once

#include <cstdint>

#include "recording/clock_pair.h"

namespace lamprey::recording {

// How a process says that it ends, written in its last moments: by the hooks of exit and its kin,
// or by the handler of a signal that kills. Written once; `state` last.
enum class DeathState : std::uint32_t { kNone = 0, kWriting = 1, kWritten = 2 };
enum class DeathKind : std::uint32_t {
  kNone = 0,
  kExit = 1,           // exit(), or main returned (then there is no stack)
  kQuickExit = 2,      // quick_exit()
  kImmediateExit = 3,  // _exit(), _Exit(), exit_group
  kAbort = 4,          // abort() was called: a handler of the program may have survived it
  kSent = 5,           // the process sent a deadly signal to itself: raise(), kill()
  kSignal = 6,         // a signal arrived whose default action is death, and took it
};

struct Death {
  DeathState state;
  DeathKind kind;
  std::int32_t exit_code;  // of the exits
  std::int32_t signal;     // of the signals; 0 of the exits
  std::int32_t code;       // si_code; 0 of kAbort and kSent: the signal has not arrived (yet)
  std::int32_t sender;     // pid of the sender; 0: no process sent it
  std::int32_t tid;
  std::uint32_t stack;  // of the thread at that moment; 0 none
  // Of kAbort and kSent: the fault whose handler made that call; 0: none. `address`, `pc`,
  // `stack_pointer`, `module` and `offset` are the fault's then.
  std::int32_t first_signal;
  std::int32_t first_code;
  ClockPair at;
  std::uint64_t address;  // si_addr of a fault
  std::uint64_t pc;       // of a fault; else where the hook returns to
  std::uint64_t stack_pointer;
  std::uint64_t offset;  // of `pc` in `module`, as symbol tables speak of it
  char module[168];
  char message[224];  // what libc had to say (abort's message), or an exception's mangled type
};

// Indices of Header::deaths.
inline constexpr std::uint32_t kDeathByExit = 0;  // Header::deaths
inline constexpr std::uint32_t kDeathBySignal = 1;

static_assert(sizeof(Death) == 480);

}  // namespace lamprey::recording
