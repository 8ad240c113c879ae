// See position_tables.h.
#include "preload/stack/v8/position_tables.h"

namespace lamprey::preload::stack::v8 {
namespace {

// The shapes of bytecodes: bytes without a prefix, and operands that grow with one. ('a' is the
// first.) An operand has one byte; two behind a "wide" prefix, four behind an "extra wide" one.
struct Shape {
  std::uint8_t bytes, growing;
};
constexpr Shape kShapes[] = {{1, 0}, {2, 0}, {2, 1}, {3, 1}, {3, 2}, {4, 2},
                             {4, 3}, {5, 2}, {5, 3}, {5, 4}, {6, 3}, {6, 5}};

// Wide, ExtraWide, DebugBreakWide, DebugBreakExtraWide.
constexpr std::uint8_t kPrefixes = 4;
constexpr std::uint32_t kMoreBytes[] = {1, 3};

}  // namespace

bool take_unsigned(Bytes& bytes, std::uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; bytes.begin != bytes.end && shift < 64; shift += 7) {
    const std::uint8_t byte = *bytes.begin++;
    value |= std::uint64_t{byte & 0x7FU} << shift;
    if ((byte & 0x80U) == 0) {
      return true;
    }
  }
  return false;
}

bool take_signed(Bytes& bytes, std::int64_t& value) {
  std::uint64_t plain = 0;
  const bool there = take_unsigned(bytes, plain);
  value = static_cast<std::int64_t>((plain >> 1U) ^ (~(plain & 1U) + 1));
  return there;
}

bool position_at(Bytes table, std::int64_t code_offset, Position& position) {
  std::uint64_t code = ~std::uint64_t{0};  // unsigned, so that no table makes it overflow
  std::uint64_t source = 0;
  bool any = false;
  std::int64_t delta = 0;
  while (take_signed(table, delta)) {
    // A negative one is an expression's position, which counts here as a statement's does.
    code += static_cast<std::uint64_t>(delta >= 0 ? delta : -(delta + 1));
    if (static_cast<std::int64_t>(code) > code_offset || !take_signed(table, delta)) {
      break;
    }
    source += static_cast<std::uint64_t>(delta);
    any = true;
  }
  position = Position(source);
  return any;
}

std::uint32_t size_of_bytecode(Bytes code, const Bytecodes& known) {
  if (code.begin == code.end) {
    return 0;
  }
  std::uint8_t bytecode = *code.begin++;
  std::uint32_t more = 0;
  const bool prefixed = bytecode < kPrefixes;
  if (prefixed) {
    more = kMoreBytes[bytecode % 2];
    if (code.begin == code.end) {
      return 0;
    }
    bytecode = *code.begin++;
  }
  if (bytecode >= known.count) {
    return 0;
  }
  const Shape shape = kShapes[known.letters[bytecode] - 'a'];
  return (prefixed ? 1U : 0U) + shape.bytes + (more * shape.growing);
}

bool bytecode_at(Bytes table, Bytes code, const Bytecodes& known, std::uint64_t pc_offset,
                 std::int64_t& offset) {
  const std::uint8_t* const first = code.begin;
  std::uint64_t machine = 0;
  std::uint64_t length = 0;
  offset = -1;
  while (take_unsigned(table, length)) {
    machine += length;
    if (machine > pc_offset) {
      return true;
    }
    const std::uint32_t size = size_of_bytecode(code, known);
    if (size == 0 || size > static_cast<std::uint64_t>(code.end - code.begin)) {
      return false;
    }
    offset = code.begin - first;
    code.begin += size;
  }
  return false;
}

}  // namespace lamprey::preload::stack::v8
