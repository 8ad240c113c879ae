// V8's tables of positions: which character of the source an instruction came from. Bytes in,
// numbers out; every loop ends with its bytes. The caller has checked that they can be read.
//
// Layout: V8 src/codegen/source-position-table.cc, src/baseline/bytecode-offset-iterator.h.
#pragma once

#include <cstdint>

namespace lamprey::preload::stack::v8 {

struct Bytes {
  const std::uint8_t* begin;
  const std::uint8_t* end;
};

// Numbers of seven bits a byte, the low ones first, the top bit for "more". False: no whole one.
bool take_unsigned(Bytes& bytes, std::uint64_t& value);
bool take_signed(Bytes& bytes, std::int64_t& value);

// What a table says of a position: where in the source, and in which inlined call.
class Position {
 public:
  constexpr explicit Position(std::uint64_t word = 0) : word_(word) {}
  // UTF-16 units from the start of the source; negative: unknown.
  constexpr std::int32_t offset() const {
    return static_cast<std::int32_t>((word_ >> 1U) & 0x3FFFFFFFU) - 1;
  }
  // Index of the inlined call + 1; 0: it was not inlined.
  constexpr std::uint32_t inlined() const {
    return static_cast<std::uint32_t>(word_ >> 31U) & 0xFFFFU;
  }

 private:
  std::uint64_t word_;
};

// Of the last entry at or before `code_offset`. False: there is none.
bool position_at(Bytes table, std::int64_t code_offset, Position& position);

// A letter for each bytecode: how many bytes it has, how many of its operands grow with a prefix.
struct Bytecodes {
  const char* letters;
  std::uint32_t count;
};

// How long the bytecode there is, with its operands. 0: there is no such bytecode.
std::uint32_t size_of_bytecode(Bytes code, const Bytecodes& known);

// The bytecode at which baseline code stands, `pc_offset` bytes into it; -1: before the first. The
// table has a length in machine code for what comes before the first and then for each bytecode.
bool bytecode_at(Bytes table, Bytes code, const Bytecodes& known, std::uint64_t pc_offset,
                 std::int64_t& offset);

}  // namespace lamprey::preload::stack::v8
