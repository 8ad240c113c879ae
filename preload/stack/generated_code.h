// Code without unwind tables (made at run time, or V8's own builtins) that was interrupted at any
// instruction: where its caller's return address is then.
//
// No lock, no libc; reads the code itself, where it can be read. Any thread, any signal handler.
#pragma once

#include <cstdint>

namespace lamprey::preload::stack::unwind {

enum class Returns : std::uint8_t {
  kInFrame,     // above the word that the frame pointer points at: the frame is made
  kAtStack,     // the stack pointer points at it
  kAboveStack,  // one word above, behind the caller's frame pointer
};

// By the instructions at `pc`. (arm64: always kInFrame. A sample in a prologue loses its caller.)
Returns returns_at(std::uintptr_t pc);

}  // namespace lamprey::preload::stack::unwind
