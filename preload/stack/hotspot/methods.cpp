// See methods.h.
#include "preload/stack/hotspot/methods.h"

#include "preload/stack/hotspot/bytes.h"
#include "preload/stack/reading/memory_reads.h"

namespace lamprey::preload::stack::hotspot {
namespace {

constexpr std::uint32_t kMaxLineEntries = 65536;
constexpr std::uint64_t kScatter = 0x9E3779B97F4A7C15U;

bool read_symbol(const Fields& fields, std::uintptr_t symbol, functions::Text& text) {
  std::uint16_t length = 0;
  const std::uintptr_t body = symbol + fields.at[kSymbolBody];
  if (!is_object(symbol) || !read_at(symbol + fields.at[kSymbolLength], length) ||
      (length != 0 && !can_read(body, length))) {
    return false;
  }
  text = {reinterpret_cast<const char*>(body), length};
  return true;
}

// An entry of a constant pool that is a Symbol*; its lowest bit may be a mark.
bool read_entry(const Fields& fields, std::uintptr_t pool, std::uint16_t index,
                std::uintptr_t& symbol) {
  std::int32_t length = 0;
  if (!read_at(pool + fields.at[kPoolLength], length) || index == 0 || index >= length ||
      !read_at(pool + fields.at[kSizeOfPool] + (std::uintptr_t{index} * sizeof(symbol)), symbol)) {
    return false;
  }
  symbol &= ~std::uintptr_t{1};
  return true;
}

// The pool of a method handle's intrinsic has three entries, and the index of its holder's file:
// read_entry sees that it lies behind the end.
functions::Text file_of(const Fields& fields, const Method& parts) {
  const std::uintptr_t at = fields.has(kPoolSourceFile)
                                ? parts.pool + fields.at[kPoolSourceFile]
                                : parts.holder + fields.at[kKlassSourceFile];
  std::uint16_t index = 0;
  std::uintptr_t symbol = 0;
  functions::Text file = {"", 0};
  if (read_at(at, index) && read_entry(fields, parts.pool, index, symbol)) {
    read_symbol(fields, symbol, file);
  }
  return file;
}

std::uint64_t identity_of(std::uintptr_t method, const Method& parts,
                          std::uint64_t class_name_hash) {
  std::uint64_t hash = method;
  const std::uint64_t parts_of_it[] = {parts.constants, parts.name, parts.holder, parts.class_name,
                                       class_name_hash};
  for (const std::uint64_t part : parts_of_it) {
    hash = (hash ^ part) * kScatter;
    hash ^= hash >> 32U;
  }
  return hash != 0 ? hash : 1;
}

// False: its names cannot be read. `number`: 0 when there is no room for it.
bool add(const Fields& fields, const Method& parts, std::uint64_t identity, std::uint32_t& number) {
  functions::Text class_name = {};
  functions::Text name = {};
  if (!read_symbol(fields, parts.class_name, class_name) ||
      !read_symbol(fields, parts.name, name)) {
    return false;
  }
  MethodName made;
  make_name(class_name, name, made);
  const functions::Text text = {made.bytes + made.begin,
                                static_cast<std::uint32_t>(sizeof(made.bytes)) - made.begin};
  number = functions::add(identity, recording::Language::kJava, text, file_of(fields, parts),
                          line_of(fields, parts.constants, 0));
  return true;
}

bool is_hexadecimal(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

// How much of a class's name stands before "+0x" and an address of 16 digits; all of it, mostly.
std::uint32_t before_address(functions::Text name) {
  constexpr std::uint32_t kDigits = 16;
  constexpr char kMark[] = {'+', '0', 'x'};
  constexpr std::uint32_t kBytes = kDigits + sizeof(kMark);
  if (name.size <= kBytes ||
      __builtin_memcmp(name.bytes + name.size - kBytes, kMark, sizeof(kMark)) != 0) {
    return name.size;
  }
  for (std::uint32_t i = name.size - kDigits; i < name.size; ++i) {
    if (!is_hexadecimal(name.bytes[i])) {
      return name.size;
    }
  }
  return name.size - kBytes;
}

// In front of what is there; what finds no room is left out.
void put_before(MethodName& made, functions::Text text) {
  for (std::uint32_t i = text.size; i > 0 && made.begin > 0; --i) {
    made.bytes[--made.begin] = text.bytes[i - 1];
  }
}

}  // namespace

void make_name(functions::Text class_name, functions::Text method, MethodName& made) {
  constexpr functions::Text kHidden = {"+<hidden>", 9};
  made.begin = sizeof(made.bytes);
  put_before(made, method);
  put_before(made, {".", 1});
  const std::uint32_t before = before_address(class_name);
  if (before != class_name.size) {
    put_before(made, kHidden);
  }
  for (std::uint32_t i = before; i > 0 && made.begin > 0; --i) {
    const char c = class_name.bytes[i - 1];
    made.bytes[--made.begin] = c == '/' ? '.' : c;
  }
  while (made.begin < sizeof(made.bytes) &&
         (static_cast<unsigned char>(made.bytes[made.begin]) & 0xC0U) == 0x80U) {
    ++made.begin;  // not inside a character
  }
}

bool read_method(const Fields& fields, std::uintptr_t method, Method& parts) {
  std::uint16_t name = 0;
  return is_object(method) && read_at(method + fields.at[kConstMethod], parts.constants) &&
         is_object(parts.constants) &&
         read_at(parts.constants + fields.at[kConstants], parts.pool) && is_object(parts.pool) &&
         read_at(parts.pool + fields.at[kPoolHolder], parts.holder) && is_object(parts.holder) &&
         read_at(parts.holder + fields.at[kKlassName], parts.class_name) &&
         read_at(parts.constants + fields.at[kNameIndex], name) &&
         read_entry(fields, parts.pool, name, parts.name);
}

bool hash_of_class_name(const Fields& fields, const Method& parts, std::uint64_t& hash) {
  functions::Text name = {};
  if (!read_symbol(fields, parts.class_name, name)) {
    return false;
  }
  hash = name.size;
  std::uint64_t word = 0;
  std::uint32_t at = 0;
  for (; at + sizeof(word) <= name.size; at += sizeof(word)) {
    __builtin_memcpy(&word, name.bytes + at, sizeof(word));
    hash = ((hash << 7U) ^ (hash >> 57U) ^ word) * kScatter;
  }
  word = 0;
  __builtin_memcpy(&word, name.bytes + at, name.size - at);
  hash = ((hash << 7U) ^ (hash >> 57U) ^ word) * kScatter;
  return true;
}

// oops/constMethod.hpp, code/compressedStream.hpp: a byte of both distances, or 0xFF and each.
std::uint32_t line_in(std::uintptr_t table, std::uint32_t excluded, std::int32_t bytecode) {
  constexpr std::uint8_t kEnd = 0;
  constexpr std::uint8_t kEscape = 0xFF;
  CheckedBytes bytes(table);
  std::uint32_t at = 0;
  std::uint32_t line = 0;
  std::int32_t best = -1;
  std::uint32_t best_line = 0;
  for (std::uint32_t i = 0; i < kMaxLineEntries; ++i) {
    std::uint8_t byte = 0;
    if (!bytes.next(byte) || byte == kEnd) {
      break;
    }
    if (byte == kEscape) {
      std::int32_t bytecodes = 0;
      std::int32_t lines = 0;
      if (!read_signed5(bytes, excluded, bytecodes) || !read_signed5(bytes, excluded, lines)) {
        break;
      }
      at += static_cast<std::uint32_t>(bytecodes);
      line += static_cast<std::uint32_t>(lines);
    } else {
      at += byte >> 3U;
      line += byte & 7U;
    }
    const auto there = static_cast<std::int32_t>(at);
    if (there == bytecode) {
      return line;
    }
    if (there < bytecode && there >= best) {
      best = there;
      best_line = line;
    }
  }
  return best_line;
}

std::uint32_t line_of(const Fields& fields, std::uintptr_t const_method, std::int32_t bytecode) {
  constexpr std::uint8_t kHasLines = 1;
  std::uint8_t flags = 0;
  std::uint16_t size = 0;
  if (!read_at(const_method + fields.at[kMethodFlags], flags) || (flags & kHasLines) == 0 ||
      !read_at(const_method + fields.at[kCodeSize], size)) {
    return 0;
  }
  return line_in(const_method + fields.at[kSizeOfConstMethod] + size, fields.excluded(),
                 bytecode >= 0 ? bytecode : 0);
}

std::uint64_t word_of(const Fields& fields, const Scope& scope) {
  Method parts;
  std::uint64_t class_name_hash = 0;
  if (!read_method(fields, scope.method, parts) ||
      !hash_of_class_name(fields, parts, class_name_hash)) {
    return 0;
  }
  const std::uint64_t identity = identity_of(scope.method, parts, class_name_hash);
  std::uint32_t number = functions::find(identity);
  if (number == 0 && !add(fields, parts, identity, number)) {
    return 0;
  }
  if (number == 0) {
    return recording::function_frame(0, 0);
  }
  std::uint32_t line = 0;
  const std::uint64_t offset = static_cast<std::uint32_t>(scope.bytecode);
  if (!functions::known_line(number, offset, line)) {
    line = line_of(fields, parts.constants, scope.bytecode);
    functions::remember_line(number, offset, line);
  }
  return recording::function_frame(number, line);
}

}  // namespace lamprey::preload::stack::hotspot
