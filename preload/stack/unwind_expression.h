// The rare ways in which unwind tables say where something is: DWARF expressions (realigned stacks,
// the procedure linkage table, signal frames), and the kernel's signal frame on arm64. Private to
// the unwinder.
#pragma once

#include <cstdint>

#include "preload/stack/unwind_tables.h"

namespace lamprey::preload::stack::unwind {

// What is known of a frame's registers.
struct Registers {
  std::uintptr_t pc;
  std::uintptr_t sp;
  std::uintptr_t fp;
  std::uintptr_t lr;        // arm64: where it returns to before it has saved that
  std::uintptr_t end;       // of the stack that holds sp; 0: unknown
  std::uintptr_t readable;  // from sp to here nothing need be asked; 0: not known
  std::uintptr_t fp_from;   // where on the stack fp was read; 0: it is the register
  bool interrupted;         // pc is the next instruction, not the one after a call
  bool guessed;             // on the way here: nothing says that pc is code
  bool by_guess;            // the step that led here was one: no tables cover the frame before
};

// Reads a word of the stack; false when it lies outside, or cannot be read.
bool read_stack(const Registers& r, std::uint64_t address, std::uint64_t& value);

// `first`: what the machine's stack starts with (the CFA); nullptr: nothing.
bool evaluate(Bytes expression, const Registers& r, const std::uint64_t* first,
              std::uint64_t& value);

// The caller's value of a register that now holds `same`.
bool caller_value(const Rule& rule, const Registers& r, std::uint64_t cfa, std::uint64_t same,
                  std::uint64_t& value);

// Steps over the code that a signal handler returns to, where no table says how.
bool take_signal_return(Registers& r);

}  // namespace lamprey::preload::stack::unwind
