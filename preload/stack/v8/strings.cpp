// See strings.h. Layout: V8 src/objects/string.tq, instance-type.h.
#include "preload/stack/v8/strings.h"

namespace lamprey::preload::stack::v8 {
namespace {

constexpr std::size_t kLength = 12;  // u32
constexpr std::size_t kFirst = 16;   // characters, a cons' first part, a parent, an actual string
constexpr std::size_t kSecond = 24;  // a cons' second part, an offset, external characters
constexpr std::int32_t kFirstNotString = 128;
constexpr std::int32_t kShapeBits = 7;
constexpr std::int32_t kOneByte = 8;
constexpr std::int32_t kUncached = 16;  // of external ones: their characters are not known here
enum StringShape : std::int32_t {
  kSequential = 0,
  kCons = 1,
  kExternal = 2,
  kSliced = 3,
  kThin = 5
};

constexpr int kMaxSteps = 64;
constexpr std::uint32_t kMaxPending = 16;
constexpr std::uint32_t kNoCharacter = 0xFFFD;

struct Utf8 {
  char* to;
  std::uint32_t capacity;
  std::uint32_t size = 0;
  bool full = false;

  void add(std::uint32_t c) {
    const std::uint32_t bytes = c < 0x80 ? 1 : (c < 0x800 ? 2 : (c < 0x10000 ? 3 : 4));
    if (bytes > capacity - size) {
      full = true;
      return;
    }
    if (bytes == 1) {
      to[size++] = static_cast<char>(c);
      return;
    }
    constexpr std::uint32_t kLead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (std::uint32_t i = 0; i < bytes; ++i) {
      const std::uint32_t six = c >> (6 * (bytes - 1 - i));
      to[size++] = static_cast<char>(i == 0 ? kLead[bytes] | six : 0x80U | (six & 0x3FU));
    }
  }
};

// A string, or a part of one.
struct Part {
  Word string;
  std::uint32_t from, count;
};

// Where the characters of a sequential or external string lie; 0: it is none.
std::uintptr_t characters_of(Word string, std::int32_t type) {
  std::uintptr_t at = 0;
  switch (type & kShapeBits) {
    case kSequential:
      return string - 1 + kFirst;
    case kExternal:
      return (type & kUncached) == 0 && read_at(string - 1 + kSecond, at) ? at : 0;
    default:
      return 0;
  }
}

std::uint32_t unit_at(const Units& units, std::uint32_t i) {
  if (units.wide) {
    std::uint16_t unit = 0;
    __builtin_memcpy(&unit, reinterpret_cast<const void*>(units.begin + (2 * std::uintptr_t{i})),
                     sizeof(unit));
    return unit;
  }
  return *reinterpret_cast<const std::uint8_t*>(units.begin + i);
}

bool add_units(const Units& units, Utf8& text) {
  // Every unit makes at least a byte, but for the second of a pair.
  const std::uint32_t room = 2 * (text.capacity - text.size) + 2;
  const std::uint32_t count = units.count < room ? units.count : room;
  if (count != 0 && !can_read(units.begin, std::size_t{count} << (units.wide ? 1U : 0U))) {
    return false;
  }
  for (std::uint32_t i = 0; i < count && !text.full; ++i) {
    std::uint32_t c = unit_at(units, i);
    if (c >= 0xD800 && c < 0xE000) {
      const std::uint32_t low = c < 0xDC00 && i + 1 < count ? unit_at(units, i + 1) : 0;
      if (low >= 0xDC00 && low < 0xE000) {
        c = 0x10000 + ((c - 0xD800) << 10U) + (low - 0xDC00);
        ++i;
      } else {
        c = kNoCharacter;
      }
    }
    text.add(c != 0 ? c : kNoCharacter);
  }
  return true;
}

class Parts {
 public:
  bool push(Part part) {
    if (part.count == 0) {
      return true;
    }
    if (used_ == kMaxPending) {
      return false;
    }
    parts_[used_++] = part;
    return true;
  }
  bool pop(Part& part) {
    if (used_ == 0) {
      return false;
    }
    part = parts_[--used_];
    return true;
  }

 private:
  Part parts_[kMaxPending];
  std::uint32_t used_ = 0;
};

bool push_cons(const Part& part, Parts& parts) {
  Word first = 0;
  Word second = 0;
  std::uint32_t length = 0;
  if (!read_at(part.string - 1 + kFirst, first) || !read_at(part.string - 1 + kSecond, second) ||
      !length_of_string(first, length)) {
    return false;
  }
  const std::uint32_t skipped = part.from < length ? part.from : length;
  const std::uint32_t here = length - skipped < part.count ? length - skipped : part.count;
  return parts.push({second, part.from - skipped, part.count - here}) &&
         parts.push({first, skipped, here});
}

// Adds a part's characters, or puts the parts that it consists of into `parts`.
bool resolve(const Part& part, Parts& parts, Utf8& text) {
  const std::int32_t type = type_of(part.string);
  std::uint32_t length = 0;
  if (!length_of_string(part.string, length) || part.from > length ||
      part.count > length - part.from) {
    return false;
  }
  Word next = 0;
  Word offset = 0;
  switch (type & kShapeBits) {
    case kCons:
      return push_cons(part, parts);
    case kSliced:
      return read_at(part.string - 1 + kFirst, next) &&
             read_at(part.string - 1 + kSecond, offset) && is_smi(offset) && smi(offset) >= 0 &&
             parts.push({next, part.from + static_cast<std::uint32_t>(smi(offset)), part.count});
    case kThin:
      return read_at(part.string - 1 + kFirst, next) && parts.push({next, part.from, part.count});
    default: {
      const bool wide = (type & kOneByte) == 0;
      const std::uintptr_t at = characters_of(part.string, type);
      return at != 0 &&
             add_units({at + (std::uintptr_t{part.from} << (wide ? 1U : 0U)), part.count, wide},
                       text);
    }
  }
}

}  // namespace

bool length_of_string(Word string, std::uint32_t& length) {
  const Object object(string, kLength + sizeof(length));
  const std::int32_t type = object.type();
  if (type < 0 || type >= kFirstNotString) {
    return false;
  }
  length = object.get<std::uint32_t>(kLength);
  return true;
}

std::uint32_t copy_string(Word string, std::uint32_t from, char* to, std::uint32_t capacity) {
  std::uint32_t length = 0;
  if (!length_of_string(string, length) || from >= length) {
    return 0;
  }
  Parts parts;
  Utf8 text = {to, capacity};
  parts.push({string, from, length - from});
  Part part = {};
  for (int step = 0; step < kMaxSteps && !text.full && parts.pop(part); ++step) {
    if (!resolve(part, parts, text)) {
      return 0;
    }
  }
  return text.size;
}

bool units_of_string(Word string, Units& units) {
  for (int step = 0; step < 2; ++step) {
    const std::int32_t type = type_of(string);
    if (!length_of_string(string, units.count)) {
      return false;
    }
    if ((type & kShapeBits) == kThin || (type & kShapeBits) == kCons) {
      // A cons that was made flat has all in its first part.
      std::uint32_t first = 0;
      if (!read_at(string - 1 + kFirst, string) || !length_of_string(string, first) ||
          first != units.count) {
        return false;
      }
      continue;
    }
    units.begin = characters_of(string, type);
    units.wide = (type & kOneByte) == 0;
    return units.begin != 0;
  }
  return false;
}

}  // namespace lamprey::preload::stack::v8
