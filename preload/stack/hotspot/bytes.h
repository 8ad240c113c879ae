// The packed numbers of HotSpot's debug information and line tables (utilities/unsigned5.hpp), read
// byte by byte from memory that may end anywhere.
#pragma once

#include <cstdint>

#include "preload/stack/reading/memory_reads.h"

namespace lamprey::preload::stack::hotspot {

class CheckedBytes {
 public:
  explicit CheckedBytes(std::uintptr_t at) : at_(at) {}

  // False: the next byte cannot be read.
  bool next(std::uint8_t& byte) {
    if (at_ >= readable_) {
      if (!can_read(at_, 1)) {
        return false;
      }
      readable_ = (at_ & ~(page_probe::kPage - 1)) + page_probe::kPage;
    }
    byte = *reinterpret_cast<const std::uint8_t*>(at_++);
    return true;
  }

 private:
  std::uintptr_t at_;
  std::uintptr_t readable_ = 0;  // up to here
};

// UNSIGNED5: a byte of 192 or more says that another follows, five at most. `excluded`: how many of
// the lowest values no byte has; 1 from JDK 20 on, where a byte of 0 is an end, else 0.
inline bool read_unsigned5(CheckedBytes& bytes, std::uint32_t excluded, std::uint32_t& value) {
  constexpr std::uint32_t kMore = 192;
  constexpr unsigned kBits = 6;
  constexpr unsigned kMaxShift = 4 * kBits;
  std::uint8_t byte = 0;
  value = 0;
  for (unsigned shift = 0; shift <= kMaxShift; shift += kBits) {
    if (!bytes.next(byte)) {
      return false;
    }
    value += (byte - excluded) << shift;
    if (byte < kMore) {
      return true;
    }
  }
  return true;
}

// The same with a sign, which stands in the lowest bit.
inline bool read_signed5(CheckedBytes& bytes, std::uint32_t excluded, std::int32_t& value) {
  std::uint32_t number = 0;
  if (!read_unsigned5(bytes, excluded, number)) {
    return false;
  }
  value = static_cast<std::int32_t>((number >> 1U) ^ (0U - (number & 1U)));
  return true;
}

}  // namespace lamprey::preload::stack::hotspot
