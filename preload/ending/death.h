// What the library writes when the process ends: the Death records at the end of the header. The
// hooks that see an end coming are exits.cpp and deadly_signals.cpp; nothing is hooked here.
//
// All of this runs at most a few times in a process's life, so it may make system calls. It must
// work in a signal handler, on an alternate stack, with any lock of libc held: no libc at all.
#pragma once

#include <cstdint>

#include "recording/layout.h"

namespace lamprey::preload::ending {

// Whether the calling process is the recorded one. A vfork child runs in our memory until it execs
// or exits: only its pid tells.
bool is_ours();

struct SelfReport {
  recording::DeathKind kind;
  int exit_code;
  int signal;
  int code;
  int sender;
  std::uint64_t address;
  std::uint64_t pc;
  std::uint64_t stack_pointer;
  const char* message;            // NULL: none
  const void* context = nullptr;  // of a signal handler: what it interrupted
};

// Writes the report, unless a final one is there already. `with_stack`: also the calling thread's
// stack. Call only when is_ours().
void write(const SelfReport& account, bool with_stack);

// At attach: what libc and the C++ runtime keep for the end (abort's message, the exception in
// flight) is looked up, and a handler is set for a return from main.
void attach();

// libc's last words before it aborted ("free(): double free detected in tcache 2"), or NULL.
const char* abort_message();
// The mangled type of the C++ exception that nobody caught, or NULL.
const char* exception_type();

}  // namespace lamprey::preload::ending
