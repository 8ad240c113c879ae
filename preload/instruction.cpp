// The decoder; see the header. Tables and names follow the opcode maps of the Intel and AMD manuals
// (volume 2, appendix A; volume 3, appendix A).
#include "preload/instruction.h"

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

constexpr std::uint8_t form_of(std::uint32_t opcode) {
  if (opcode < 0x40) {  // eight operations of arithmetic, six forms each
    switch (opcode & 7U) {
      case 4:
        return kImmediate8;
      case 5:
        return kImmediateZ;
      case 6:
      case 7:
        return kInvalid;  // push and pop of segments; 0F and segment prefixes come elsewhere
      default:
        return kModRm;
    }
  }
  if (opcode >= 0x50 && opcode <= 0x5F) {
    return kNone;  // push, pop
  }
  if (opcode >= 0x70 && opcode <= 0x7F) {
    return kImmediate8;  // jcc
  }
  if (opcode >= 0x80 && opcode <= 0x8F) {
    return opcode == 0x81   ? kModRm | kImmediateZ
           : opcode == 0x82 ? kInvalid
           : opcode <= 0x83 ? kModRm | kImmediate8
                            : kModRm;
  }
  if (opcode >= 0x90 && opcode <= 0x9F) {
    return opcode == 0x9A ? kInvalid : kNone;
  }
  if (opcode >= 0xB0 && opcode <= 0xBF) {
    return opcode < 0xB8 ? kImmediate8 : kImmediateZ;  // mov; with REX.W 8 bytes
  }
  if (opcode >= 0xD8 && opcode <= 0xDF) {
    return kModRm;  // x87
  }
  switch (opcode) {
    case 0x63:  // movsxd
    case 0xC8:
      break;
    case 0x68:
      return kImmediateZ;
    case 0x69:
      return kModRm | kImmediateZ;
    case 0x6A:
      return kImmediate8;
    case 0x6B:
      return kModRm | kImmediate8;
    case 0x6C:
    case 0x6D:
    case 0x6E:
    case 0x6F:
      return kNone;  // ins, outs
    case 0xA8:
      return kImmediate8;
    case 0xA9:
      return kImmediateZ;
    case 0xC0:
    case 0xC1:
    case 0xC6:
      return kModRm | kImmediate8;
    case 0xC7:
      return kModRm | kImmediateZ;
    case 0xCD:
    case 0xE0:
    case 0xE1:
    case 0xE2:
    case 0xE3:
    case 0xE4:
    case 0xE5:
    case 0xE6:
    case 0xE7:
    case 0xEB:
      return kImmediate8;
    case 0xE8:
    case 0xE9:
      return kImmediateZ;  // always 4 bytes, whatever the prefix: see below
    case 0xD0:
    case 0xD1:
    case 0xD2:
    case 0xD3:
    case 0xF6:  // with an immediate when ModRM says test: see below
    case 0xF7:
    case 0xFE:
    case 0xFF:
      return kModRm;
    case 0x60:
    case 0x61:
    case 0xCE:
    case 0xD4:
    case 0xD5:
    case 0xD6:
    case 0xEA:
      return kInvalid;
    default:
      return kNone;
  }
  return opcode == 0x63 ? kModRm : kImmediate8;  // enter has one byte more: see below
}

// The map behind 0F.
constexpr std::uint8_t form_of_0f(std::uint32_t opcode) {
  if (opcode >= 0x80 && opcode <= 0x8F) {
    return kImmediateZ;  // jcc
  }
  if (opcode >= 0xC8 && opcode <= 0xCF) {
    return kNone;  // bswap
  }
  switch (opcode) {
    case 0x05:  // syscall
    case 0x06:
    case 0x07:
    case 0x08:
    case 0x09:
    case 0x0B:  // ud2
    case 0x0E:
    case 0x30:
    case 0x31:  // rdtsc
    case 0x32:
    case 0x33:
    case 0x34:
    case 0x35:
    case 0x37:
    case 0x77:
    case 0xA0:
    case 0xA1:
    case 0xA2:  // cpuid
    case 0xA8:
    case 0xA9:
    case 0xAA:
      return kNone;
    case 0x70:
    case 0x71:
    case 0x72:
    case 0x73:
    case 0xA4:
    case 0xAC:
    case 0xBA:
    case 0xC2:
    case 0xC4:
    case 0xC5:
    case 0xC6:
    case 0x0F:  // 3DNow!
      return kModRm | kImmediate8;
    case 0x04:
    case 0x0A:
    case 0x0C:
    case 0x36:
    case 0x39:
    case 0x3B:
    case 0x3C:
    case 0x3D:
    case 0x3E:
    case 0x3F:
      return kInvalid;
    default:
      return kModRm;
  }
}

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
    const std::uint8_t form = form_of_0f(opcode);
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

// Arithmetic, moves, lea; with registers or memory. What is left out is moved by nobody.
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
  const std::uint8_t form = form_of(opcode);
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
  } else if (opcode == 0xC2 || opcode == 0xCA) {
    cursor.skip(2);  // ret
  } else if (opcode == 0xC8) {
    cursor.skip(2);  // enter
  }
  cursor.failed = cursor.failed || form == kInvalid;
}

void read_opcode(Cursor& cursor, const Prefixes& prefixes) {
  constexpr std::uint8_t kVex3 = 0xC4;
  constexpr std::uint8_t kVex2 = 0xC5;
  constexpr std::uint8_t kEvex = 0x62;
  const std::uint8_t opcode = cursor.next();
  if (opcode == kVex2) {
    cursor.next();
    read_mapped(cursor, 1);
  } else if (opcode == kVex3) {
    const std::uint32_t map = cursor.next() & 0x1FU;
    cursor.next();
    read_mapped(cursor, map);
  } else if (opcode == kEvex) {
    const std::uint32_t map = cursor.next() & 7U;
    cursor.skip(2);
    read_mapped(cursor, map);
  } else if (opcode != 0x0F) {
    read_one_byte_opcode(cursor, prefixes, opcode);
  } else if (cursor.peek() == 0x38 || cursor.peek() == 0x3A) {
    read_mapped(cursor, cursor.next() == 0x38 ? 2 : 3);
  } else {
    const std::uint8_t second = cursor.next();
    const std::uint8_t form = form_of_0f(second);
    cursor.simple = is_simple_0f(second);
    if ((form & kModRm) != 0) {
      read_operand(cursor);
    }
    cursor.skip((form & kImmediate8) != 0 ? 1 : 0);
    cursor.skip((form & kImmediateZ) != 0 ? 4 : 0);
    cursor.failed = cursor.failed || form == kInvalid;
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
  // An operand of 4 GiB's addresses (67) is no matter of where the instruction stands, but rare.
  return {static_cast<std::uint8_t>(cursor.at), static_cast<std::uint8_t>(cursor.relative_at),
          cursor.simple && !prefixes.address32};
}

}  // namespace lamprey::preload::exact
