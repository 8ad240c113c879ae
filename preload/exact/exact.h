// Exact mode (LAMPREY_EXACT=on): libc's own code is changed at attach so that each of its system
// calls passes our gate and is counted as the kernel sees it, those included that libc makes of
// itself (the openat inside fopen, the sockets inside getaddrinfo, the futex inside
// pthread_mutex_lock). The hooks go on as ever: they know hosts, files and waits, and count what
// the program called; the two are separate tables of the record (`calls`, `kernel`).
//
// Anything unexpected leaves libc as it is, and the record says why. Off by default.
#pragma once

#include "recording/kernel_section.h"

namespace lamprey::preload::exact {

// Whether the value of LAMPREY_EXACT (nullptr: unset) asks for it.
bool wanted(const char* value);

// What stands in its way, asked before anything is changed; kOn: nothing. At attach, while the
// process has one thread.
recording::ExactState possible();

// Leads the places to the gate, which counts from when recording_here() on, and says in `kernel`
// how many. To be called once, after possible(). Returns kOn, or why nothing was changed.
recording::ExactState install(recording::Kernel& kernel);

}  // namespace lamprey::preload::exact
