// How long an x86-64 instruction is: prefixes, opcode maps, ModRM, displacement, immediate. Enough
// to walk a function from its first byte to its last and know where each instruction begins; what
// an instruction does is not known here, but for direct jumps of one byte's distance. Pure.
//
// Compared with a disassembler over whole libraries by tests/hazard/test_exact.py.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamprey::preload::exact {

// In bytes; 0: not an instruction of 64-bit mode, or `room` ends before it does.
std::size_t instruction_length(const std::uint8_t* code, std::size_t room);

}  // namespace lamprey::preload::exact
