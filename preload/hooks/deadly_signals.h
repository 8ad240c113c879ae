// Signals that kill: what attach and the exit hooks need to know of them. How a death by signal is
// noticed, and why the program cannot tell, stands in deadly_signals.cpp.
#pragma once

namespace lamprey::preload::hooks {

enum class Disposition : unsigned char {
  kDefault,  // the kernel's: the signal kills
  kOurs,     // our handler, which the program sees as the default
  kOther,    // the program handles or ignores it
};

// As the kernel has it now.
Disposition disposition(int number);

// Whether the default action of the signal ends the process.
bool kills_by_default(int number);

// At attach, when recording has begun. Does nothing where another program's way of handling faults
// would notice (Go).
void watch_deadly_signals();

// Whether the program is one of Go's.
bool is_go_program();

}  // namespace lamprey::preload::hooks
