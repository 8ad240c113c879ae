// See line_tables.h. The formats: CPython's Objects/lnotab_notes.txt (3.8 and 3.9, and of another
// meaning 3.10), Objects/locations.md (from 3.11 on).
#include "preload/stack/python/line_tables.h"

#include "recording/functions.h"

namespace lamprey::preload::stack::python {
namespace {

// Lines are counted without overflow whatever the table says: modulo 2^32.
class Lines {
 public:
  explicit Lines(const LineTable& table)
      : at_(table.bytes), end_(table.bytes + table.size), line_(table.first_line) {}

  // co_lnotab: pairs of bytes and lines; a line begins behind the bytes of its pair.
  std::uint32_t old_style(std::uint32_t instruction) {
    std::uint32_t offset = 0;
    while (end_ - at_ >= 2) {
      offset += byte();
      if (offset > instruction) {
        break;
      }
      move(signed_byte());
    }
    return line_;
  }

  // 3.10: a pair is a range of bytes and how far its line is from the line of the last range.
  std::uint32_t ranges(std::uint32_t instruction, std::uint32_t otherwise) {
    constexpr std::int32_t kNone = -128;
    std::uint32_t end_of_range = 0;
    while (end_ - at_ >= 2) {
      end_of_range += byte();
      const std::int32_t lines = signed_byte();
      if (lines != kNone) {
        move(lines);
      }
      if (end_of_range > instruction) {
        return lines == kNone ? otherwise : line_;
      }
    }
    return otherwise;
  }

  // From 3.11 on: an entry covers up to eight units of two bytes. Columns are skipped.
  std::uint32_t locations(std::uint32_t instruction, std::uint32_t otherwise) {
    std::uint32_t end_of_entry = 0;
    while (at_ < end_) {
      const std::uint32_t head = byte();
      end_of_entry += ((head & 7U) + 1) * 2;
      const bool has_line = location((head >> 3U) & 15U);
      if (end_of_entry > instruction) {
        return has_line ? line_ : otherwise;
      }
    }
    return otherwise;
  }

 private:
  bool location(std::uint32_t kind) {
    constexpr std::uint32_t kOneLine = 10;  // to 12: that many less ten
    constexpr std::uint32_t kNoColumns = 13;
    constexpr std::uint32_t kLong = 14;
    constexpr std::uint32_t kNoLocation = 15;
    if (kind == kNoLocation) {
      return false;
    }
    if (kind == kLong) {
      move(signed_number());
      number();
      number();
      number();
    } else if (kind == kNoColumns) {
      move(signed_number());
    } else if (kind >= kOneLine) {
      move(static_cast<std::int32_t>(kind - kOneLine));
      byte();
      byte();
    } else {
      byte();
    }
    return true;
  }

  std::uint32_t byte() { return at_ < end_ ? *at_++ : 0; }
  std::int32_t signed_byte() { return static_cast<signed char>(byte()); }
  // Six bits a byte, the lowest first.
  std::uint32_t number() {
    constexpr std::uint32_t kMore = 0x40;
    constexpr unsigned kBits = 32;
    std::uint32_t value = 0;
    for (unsigned shift = 0; shift < kBits; shift += 6) {
      const std::uint32_t next = byte();
      value |= (next & 0x3FU) << shift;
      if ((next & kMore) == 0) {
        break;
      }
    }
    return value;
  }
  std::int32_t signed_number() {
    const std::uint32_t value = number();
    const auto size = static_cast<std::int32_t>(value >> 1U);
    return (value & 1U) != 0 ? -size : size;
  }
  void move(std::int32_t lines) { line_ += static_cast<std::uint32_t>(lines); }

  const unsigned char* at_;
  const unsigned char* end_;
  std::uint32_t line_;
};

}  // namespace

std::uint32_t line_of(const LineTable& table, std::int32_t instruction) {
  if (instruction < 0) {
    return table.first_line;
  }
  const auto offset = static_cast<std::uint32_t>(instruction);
  Lines lines(table);
  std::uint32_t line = 0;
  if (table.minor < 10) {
    line = lines.old_style(offset);
  } else if (table.minor == 10) {
    line = lines.ranges(offset, table.first_line);
  } else {
    line = lines.locations(offset, table.first_line);
  }
  return line <= recording::kMaxLines ? line : table.first_line;
}

}  // namespace lamprey::preload::stack::python
