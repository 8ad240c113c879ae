// Whether the calling code runs in a child that shares our memory: made by vfork(2), or by clone(2)
// with CLONE_VM. It must not write down what happens to its descriptors as if they were ours.
//
// Such a child differs by its pid alone, and asking for that is a system call. So vfork and clone
// are hooked, to know when one may exist at all: a flag of the thread, set before the call. While
// the child runs the flag is set in both (they share the thread's memory, and the parent sleeps);
// the parent takes it back when it is next asked. Without the flag the question costs a load.
//
// A function that returns twice can be hooked only by code that has no frame when it returns: the
// two hooks are a few instructions that end in a jump (google/sanitizers #925 is what happens to
// others).
#pragma once

#include <cstdint>

namespace lamprey::preload {
inline namespace process {

extern "C" [[gnu::visibility("hidden")]] __thread __attribute__((tls_model("initial-exec")))
std::uint8_t lamprey_vforked;

// The slow half: asks for the pid.
bool runs_as_vfork_child();

// Only when recording_here(). Async-signal-safe.
inline bool in_vfork_child() { return lamprey_vforked != 0 && runs_as_vfork_child(); }

}  // namespace process
}  // namespace lamprey::preload
