// V8's tagged words and the objects they point at: small integers ("Smi", in the upper half) and
// pointers, whose lowest bits are 01 (11: weak). Nothing is read that was not checked first.
//
// Cost: one check an object, a load a field. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "preload/stack/reading/memory_reads.h"

namespace lamprey::preload::stack::v8 {

using Word = std::uint64_t;

inline constexpr std::size_t kMapOffset = 0;
inline constexpr std::size_t kMapType = 12;       // in a Map: its instance type, u16
inline constexpr std::size_t kArrayLength = 8;    // of all kinds of arrays, a Smi
inline constexpr std::size_t kArrayFirst = 16;    // their first element
inline constexpr std::size_t kContextFirst = 16;  // a Context's first slot
inline constexpr std::int32_t kNoType = -1;

constexpr bool is_pointer(Word word) { return (word & 3U) == 1; }
constexpr bool is_smi(Word word) { return (word & 0xFFFFFFFFU) == 0; }
constexpr std::int32_t smi(Word word) { return static_cast<std::int32_t>(word >> 32U); }
constexpr Word strong(Word word) { return word & ~Word{2}; }

// The first `size` bytes of an object, once it is known that they can be read.
class Object {
 public:
  Object() = default;
  Object(Word word, std::size_t size)
      : at_(is_pointer(word) && can_read(word - 1, size) ? word - 1 : 0) {}

  explicit operator bool() const { return at_ != 0; }
  std::uintptr_t address() const { return at_; }

  template <typename T>
  T get(std::size_t offset) const {
    T value = {};  // what no object has
    if (at_ != 0) {
      __builtin_memcpy(&value, reinterpret_cast<const void*>(at_ + offset), sizeof(value));
    }
    return value;
  }
  Word word(std::size_t offset) const { return get<Word>(offset); }

  // kNoType: a collector has left the address of its copy there, or it is no object at all.
  std::int32_t type() const {
    std::uint16_t type = 0;
    const Word map = at_ != 0 ? word(kMapOffset) : 0;
    return is_pointer(map) && read_at(map - 1 + kMapType, type) ? type : kNoType;
  }

 private:
  std::uintptr_t at_ = 0;
};

// Maps are compared before they are looked into: within one stack most objects of a type share one,
// and while it is read nobody moves them.
class KnownMap {
 public:
  bool has(const Object& object, std::int32_t first, std::int32_t last) {
    if (map_ != 0 && object && object.word(kMapOffset) == map_) {
      return true;
    }
    const std::int32_t type = object.type();
    if (type < first || type > last) {
      return false;
    }
    map_ = object.word(kMapOffset);
    return true;
  }

 private:
  Word map_ = 0;  // 0: none yet
};

// The type of what `word` points at; kNoType: nothing.
inline std::int32_t type_of(Word word) { return Object(word, sizeof(Word)).type(); }

inline std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15U;
  return hash ^ (hash >> 29U);
}

}  // namespace lamprey::preload::stack::v8
