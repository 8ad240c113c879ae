// Reads numbers out of bytes that may be wrong: DWARF and ELF data of the host's modules. Every
// read is checked against the end. Pure; any thread, any signal handler.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamprey::preload {
inline namespace base {

struct Bytes {
  const std::uint8_t* at = nullptr;
  const std::uint8_t* end = nullptr;
};

// DW_EH_PE_*: how an address is written (Linux Standard Base 5.0, 10.5).
inline constexpr std::uint8_t kFormat = 0x0F;
inline constexpr std::uint8_t kSigned4 = 0x0B;
inline constexpr std::uint8_t kUnsigned4 = 0x03;
inline constexpr std::uint8_t kSigned8 = 0x0C;
inline constexpr std::uint8_t kUnsigned8 = 0x04;
inline constexpr std::uint8_t kNative = 0x00;
inline constexpr std::uint8_t kBase = 0x70;
inline constexpr std::uint8_t kFromHere = 0x10;
inline constexpr std::uint8_t kFromHeader = 0x30;
inline constexpr std::uint8_t kIndirect = 0x80;

// Reads upwards and stops at the end: after that `good` is false and everything read is 0.
struct ByteCursor {
  const std::uint8_t* at;
  const std::uint8_t* end;
  bool good = true;

  template <class T>
  T fixed() {
    T value = 0;
    if (!good || static_cast<std::size_t>(end - at) < sizeof(T)) {
      good = false;
      return 0;
    }
    __builtin_memcpy(&value, at, sizeof(T));
    at += sizeof(T);
    return value;
  }
  std::uint64_t uleb() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; good; shift += 7) {
      const auto byte = fixed<std::uint8_t>();
      value |= shift < 64 ? static_cast<std::uint64_t>(byte & 0x7FU) << shift : 0;
      if ((byte & 0x80U) == 0) {
        break;
      }
    }
    return value;
  }
  std::int64_t sleb() {
    std::uint64_t value = 0;
    unsigned shift = 0;
    std::uint8_t byte = 0x80;
    while (good && (byte & 0x80U) != 0) {
      byte = fixed<std::uint8_t>();
      value |= shift < 64 ? static_cast<std::uint64_t>(byte & 0x7FU) << shift : 0;
      shift += 7;
    }
    if (shift < 64 && (byte & 0x40U) != 0) {
      value |= ~std::uint64_t{0} << shift;
    }
    return static_cast<std::int64_t>(value);
  }
  void skip(std::uint64_t bytes) {
    good = good && bytes <= static_cast<std::uint64_t>(end - at);
    at = good ? at + bytes : at;
  }
  Bytes block() {
    const std::uint64_t size = uleb();
    const std::uint8_t* from = at;
    skip(size);
    return {from, good ? from + size : from};
  }
  std::uint64_t number(std::uint8_t encoding) {
    switch (encoding & kFormat) {
      case kSigned4:
        return static_cast<std::uint64_t>(std::int64_t{fixed<std::int32_t>()});
      case kUnsigned4:
        return fixed<std::uint32_t>();
      case kSigned8:
      case kUnsigned8:
      case kNative:
        return fixed<std::uint64_t>();
      default:
        good = false;
        return 0;
    }
  }
  // An address; 0 for encodings that no linker of our platforms writes here.
  std::uintptr_t address(std::uint8_t encoding) {
    const auto here = reinterpret_cast<std::uintptr_t>(at);
    const std::uint64_t value = number(encoding);
    const std::uint8_t base = encoding & kBase;
    if ((encoding & kIndirect) != 0 || (base != 0 && base != kFromHere)) {
      good = false;
    }
    return good ? value + (base == kFromHere ? here : 0) : 0;
  }
};

}  // namespace base
}  // namespace lamprey::preload
