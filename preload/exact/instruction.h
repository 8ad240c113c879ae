// One x86-64 instruction: how long it is (prefixes, opcode maps, ModRM, displacement, immediate),
// and whether it does the same elsewhere. Enough to walk a function from its first byte to its last
// and to move a simple instruction away; what an instruction computes is not known here. Pure.
//
// Lengths are compared with a disassembler's over whole libraries by tests/hazard/test_exact.py.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamprey::preload::exact {

struct Instruction {
  std::uint8_t length = 0;  // in bytes; 0: none of 64-bit mode, or the room ends before it does
  // Where its 4 bytes of distance to an operand stand that is addressed from the instruction's own
  // end; 0: there is no such operand.
  std::uint8_t relative_at = 0;
  // Moves and computes, and goes on with what follows: no jump, call, trap, or change of the stack.
  bool simple = false;
};

Instruction read_instruction(const std::uint8_t* code, std::size_t room);

}  // namespace lamprey::preload::exact
