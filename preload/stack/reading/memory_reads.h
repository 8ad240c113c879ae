// Reads of another runtime's structures by pointers that may be wrong: each is checked first, and
// its page must be one that can be read (page_probe.h). For the readers of languages' frames.
//
// Cost: some 0.5 ns a read while the page is remembered. Any thread, any signal handler.
#pragma once

#include <cstddef>
#include <cstdint>

#include "preload/base/page_probe.h"

namespace lamprey::preload::stack {
inline namespace reading {

inline constexpr std::uintptr_t kLowestAddress = 65536;
#if defined(__x86_64__)
inline constexpr std::uintptr_t kHighestAddress = std::uintptr_t{1} << 47U;
#else
inline constexpr std::uintptr_t kHighestAddress = std::uintptr_t{1} << 48U;
#endif

// Whether `size` bytes from `address` can be read.
inline bool can_read(std::uintptr_t address, std::size_t size) {
  return address >= kLowestAddress && address < kHighestAddress &&
         size <= kHighestAddress - address && page_probe::readable(address, size);
}

// False: it cannot be read; `value` is untouched.
template <typename T>
bool read_at(std::uintptr_t address, T& value) {
  if (!can_read(address, sizeof(T))) {
    return false;
  }
  __builtin_memcpy(&value, reinterpret_cast<const void*>(address), sizeof(T));
  return true;
}

// A pointer to an object that is aligned as pointers are.
inline bool is_object(std::uintptr_t address) {
  return address % sizeof(void*) == 0 && address >= kLowestAddress && address < kHighestAddress;
}

}  // namespace reading
}  // namespace lamprey::preload::stack
