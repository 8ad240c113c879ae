// The decoder; see the header. Tables and names follow the opcode maps of the Intel and AMD manuals
// (volume 2, appendix A; volume 3, appendix A).
#include "preload/exact/instruction.h"

namespace lamprey::preload::exact {
namespace {

constexpr std::size_t kLongest = 15;  // the processor takes no longer instruction

// One opcode's form. kImmediateZ: 4 bytes, or 2 with the prefix 66.
enum Form : std::uint8_t {
  kNone = 0,
  kModRm = 1,
  kImmediate8 = 2,
  kImmediateZ = 4,
  kInvalid = 8,  // or, of maps where that is impossible, a prefix that has been read already
};

// Opcodes first to last have this form.
struct Forms {
  std::uint8_t first;
  std::uint8_t last;
  std::uint8_t form;
};

struct FormTable {
  std::uint8_t of[256];
};

template <std::size_t kRows>
constexpr FormTable table_of(std::uint8_t otherwise, const Forms (&rows)[kRows]) {
  FormTable table{};
  for (std::uint8_t& form : table.of) {
    form = otherwise;
  }
  for (const Forms& row : rows) {
    for (std::uint32_t opcode = row.first; opcode <= row.last; ++opcode) {
      table.of[opcode] = row.form;
    }
  }
  return table;
}

constexpr std::uint8_t kBoth8 = kModRm | kImmediate8;
constexpr std::uint8_t kBothZ = kModRm | kImmediateZ;

// The map of one byte, from 40 on; before it stand eight operations of arithmetic, six forms each.
constexpr FormTable kOneByte = [] {
  FormTable table = table_of(
      kNone, {{0x60, 0x61, kInvalid},    {0x63, 0x63, kModRm},      {0x68, 0x68, kImmediateZ},
              {0x69, 0x69, kBothZ},      {0x6A, 0x6A, kImmediate8}, {0x6B, 0x6B, kBoth8},
              {0x70, 0x7F, kImmediate8}, {0x80, 0x80, kBoth8},      {0x81, 0x81, kBothZ},
              {0x82, 0x82, kInvalid},    {0x83, 0x83, kBoth8},      {0x84, 0x8F, kModRm},
              {0x9A, 0x9A, kInvalid},    {0xA8, 0xA8, kImmediate8}, {0xA9, 0xA9, kImmediateZ},
              {0xB0, 0xB7, kImmediate8}, {0xB8, 0xBF, kImmediateZ}, {0xC0, 0xC1, kBoth8},
              {0xC6, 0xC6, kBoth8},      {0xC7, 0xC7, kBothZ},      {0xC8, 0xC8, kImmediate8},
              {0xCD, 0xCD, kImmediate8}, {0xCE, 0xCE, kInvalid},    {0xD0, 0xD3, kModRm},
              {0xD4, 0xD6, kInvalid},    {0xD8, 0xDF, kModRm},      {0xE0, 0xE7, kImmediate8},
              {0xE8, 0xE9, kImmediateZ}, {0xEA, 0xEA, kInvalid},    {0xEB, 0xEB, kImmediate8},
              {0xF6, 0xF7, kModRm},      {0xFE, 0xFF, kModRm}});
  constexpr std::uint8_t kArithmetic[] = {kModRm,      kModRm,      kModRm,   kModRm,
                                          kImmediate8, kImmediateZ, kInvalid, kInvalid};
  for (std::uint32_t opcode = 0; opcode < 0x40; ++opcode) {
    table.of[opcode] = kArithmetic[opcode % 8];  // prefixes and 0F are read before
  }
  return table;
}();

// The map behind 0F.
constexpr FormTable kTwoBytes =
    table_of(kModRm, {{0x04, 0x04, kInvalid}, {0x05, 0x09, kNone},    {0x0A, 0x0A, kInvalid},
                      {0x0B, 0x0B, kNone},    {0x0C, 0x0C, kInvalid}, {0x0E, 0x0E, kNone},
                      {0x0F, 0x0F, kBoth8},   {0x30, 0x35, kNone},    {0x36, 0x36, kInvalid},
                      {0x37, 0x37, kNone},    {0x39, 0x39, kInvalid}, {0x3B, 0x3F, kInvalid},
                      {0x70, 0x73, kBoth8},   {0x77, 0x77, kNone},    {0x80, 0x8F, kImmediateZ},
                      {0xA0, 0xA2, kNone},    {0xA4, 0xA4, kBoth8},   {0xA8, 0xAA, kNone},
                      {0xAC, 0xAC, kBoth8},   {0xBA, 0xBA, kBoth8},   {0xC2, 0xC2, kBoth8},
                      {0xC4, 0xC6, kBoth8},   {0xC8, 0xCF, kNone}});

// Reads on; `failed` once it would read behind the end.
struct Cursor {
  const std::uint8_t* code;
  std::size_t room;
  std::size_t at = 0;
  bool failed = false;
  std::size_t relative_at = 0;
  bool simple = false;

  std::uint8_t peek() const { return at < room ? code[at] : 0; }
  std::uint8_t next() {
    failed = failed || at >= room;
    return failed ? std::uint8_t{0} : code[at++];
  }
  void skip(std::size_t bytes) {
    failed = failed || room - at < bytes;
    at += failed ? 0 : bytes;
  }
};

struct Prefixes {
  bool operand16 = false;  // 66
  bool address32 = false;  // 67
  bool wide = false;       // REX.W
};

Prefixes read_prefixes(Cursor& cursor) {
  Prefixes prefixes;
  for (;; cursor.next()) {
    switch (cursor.peek()) {
      case 0x66:
        prefixes.operand16 = true;
        continue;
      case 0x67:
        prefixes.address32 = true;
        continue;
      case 0x26:
      case 0x2E:
      case 0x36:
      case 0x3E:
      case 0x64:
      case 0x65:
      case 0xF0:
      case 0xF2:
      case 0xF3:
        continue;
      default:
        break;
    }
    break;
  }
  if ((cursor.peek() & 0xF0U) == 0x40U) {
    prefixes.wide = (cursor.next() & 8U) != 0;
  }
  return prefixes;
}

// ModRM, SIB and displacement. Returns the reg field, which extends some opcodes.
std::uint32_t read_operand(Cursor& cursor) {
  const std::uint8_t modrm = cursor.next();
  const std::uint32_t mod = modrm >> 6U;
  const std::uint32_t rm = modrm & 7U;
  std::size_t displacement = mod == 1 ? 1 : mod == 2 ? 4 : 0;
  if (mod != 3 && rm == 4) {
    const std::uint8_t sib = cursor.next();
    if (mod == 0 && (sib & 7U) == 5) {
      displacement = 4;
    }
  } else if (mod == 0 && rm == 5) {
    displacement = 4;  // relative to the next instruction
    cursor.relative_at = cursor.at;
  }
  cursor.skip(displacement);
  return (modrm >> 3U) & 7U;
}

// Of the maps behind 0F 38 and 0F 3A, and of those that VEX and EVEX select.
void read_mapped(Cursor& cursor, std::uint32_t map) {
  const std::uint8_t opcode = cursor.next();
  if (map == 1) {
    const std::uint8_t form = kTwoBytes.of[opcode];
    if ((form & kModRm) != 0) {
      read_operand(cursor);
    }
    cursor.skip((form & kImmediate8) != 0 ? 1 : 0);
    cursor.failed = cursor.failed || form == kInvalid;
    return;
  }
  read_operand(cursor);
  cursor.skip(map == 3 ? 1 : 0);
  cursor.failed = cursor.failed || map > 6 || map == 0;
}

// Arithmetic, moves, lea; with registers or memory. Others are never moved.
bool is_simple(std::uint8_t opcode) {
  const bool arithmetic = opcode < 0x40 && (opcode & 7U) < 6;
  const bool moves = (opcode >= 0x88 && opcode <= 0x8B) || (opcode >= 0xB0 && opcode <= 0xBF) ||
                     opcode == 0xC6 || opcode == 0xC7 || opcode == 0x63 || opcode == 0x8D;
  const bool others = (opcode >= 0x80 && opcode <= 0x85) || opcode == 0xC0 || opcode == 0xC1 ||
                      opcode == 0xD1 || opcode == 0xD3 || opcode == 0xF6 || opcode == 0xF7 ||
                      opcode == 0xA8 || opcode == 0xA9;
  return arithmetic || moves || others;
}

// cmov, setcc, movzx, movsx, moves of vectors, nop.
bool is_simple_0f(std::uint8_t opcode) {
  return (opcode >= 0x40 && opcode <= 0x4F) || (opcode >= 0x90 && opcode <= 0x9F) ||
         opcode == 0xB6 || opcode == 0xB7 || opcode == 0xBE || opcode == 0xBF || opcode == 0x10 ||
         opcode == 0x11 || opcode == 0x28 || opcode == 0x29 || opcode == 0x1F;
}

void read_one_byte_opcode(Cursor& cursor, const Prefixes& prefixes, std::uint8_t opcode) {
  const std::uint8_t form = kOneByte.of[opcode];
  cursor.simple = is_simple(opcode);
  const bool relative = opcode == 0xE8 || opcode == 0xE9;
  const std::size_t z = prefixes.operand16 && !relative && !prefixes.wide ? 2 : 4;
  std::uint32_t extension = 0;
  if ((form & kModRm) != 0) {
    extension = read_operand(cursor);
  }
  cursor.skip((form & kImmediate8) != 0 ? 1 : 0);
  cursor.skip((form & kImmediateZ) != 0 ? z : 0);
  if ((opcode == 0xF6 || opcode == 0xF7) && extension < 2) {
    cursor.skip(opcode == 0xF6 ? 1 : z);  // test
  } else if (opcode >= 0xB8 && opcode <= 0xBF && prefixes.wide) {
    cursor.skip(4);  // movabs
  } else if (opcode >= 0xA0 && opcode <= 0xA3) {
    cursor.skip(prefixes.address32 ? 4 : 8);
  } else if (opcode == 0xC2 || opcode == 0xCA || opcode == 0xC8) {
    cursor.skip(2);  // ret, enter
  }
  cursor.failed = cursor.failed || form == kInvalid;
}

void read_two_byte_opcode(Cursor& cursor) {
  const std::uint8_t opcode = cursor.next();
  if (opcode == 0x38 || opcode == 0x3A) {
    read_mapped(cursor, opcode == 0x38 ? 2 : 3);
    return;
  }
  const std::uint8_t form = kTwoBytes.of[opcode];
  cursor.simple = is_simple_0f(opcode);
  if ((form & kModRm) != 0) {
    read_operand(cursor);
  }
  cursor.skip((form & kImmediate8) != 0 ? 1 : 0);
  cursor.skip((form & kImmediateZ) != 0 ? 4 : 0);
  cursor.failed = cursor.failed || form == kInvalid;
}

void read_opcode(Cursor& cursor, const Prefixes& prefixes) {
  const std::uint8_t opcode = cursor.next();
  switch (opcode) {
    case 0xC5:  // VEX, two bytes
      cursor.next();
      read_mapped(cursor, 1);
      break;
    case 0xC4: {  // VEX, three bytes
      const std::uint32_t map = cursor.next() & 0x1FU;
      cursor.next();
      read_mapped(cursor, map);
      break;
    }
    case 0x62: {  // EVEX
      const std::uint32_t map = cursor.next() & 7U;
      cursor.skip(2);
      read_mapped(cursor, map);
      break;
    }
    case 0x0F:
      read_two_byte_opcode(cursor);
      break;
    default:
      read_one_byte_opcode(cursor, prefixes, opcode);
  }
}

}  // namespace

Instruction read_instruction(const std::uint8_t* code, std::size_t room) {
  Cursor cursor = {code, room < kLongest ? room : kLongest};
  const Prefixes prefixes = read_prefixes(cursor);
  read_opcode(cursor, prefixes);
  if (cursor.failed) {
    return {};
  }
  // A 32-bit address operand (67) could be moved too, but is rare.
  return {static_cast<std::uint8_t>(cursor.at), static_cast<std::uint8_t>(cursor.relative_at),
          cursor.simple && !prefixes.address32};
}

}  // namespace lamprey::preload::exact
