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

// For a walk whose objects lie side by side: the page that was found readable last is not looked up
// again. No longer than the walk.
class NearReads {
 public:
  bool can(std::uintptr_t address, std::size_t size) {
    if (((address ^ page_) | ((address + size - 1) ^ page_)) < page_probe::kPage) [[likely]] {
      return true;
    }
    if (!can_read(address, size)) {
      return false;
    }
    page_ = page_of(address);
    return true;
  }

 private:
  static std::uintptr_t page_of(std::uintptr_t address) {
    return address & ~(page_probe::kPage - 1);
  }
  // The stack can be read. (By its object's own address, it would not be kept in registers.)
  std::uintptr_t page_ = page_of(reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)));
};

// A pointer to an object that is aligned as pointers are.
inline bool is_object(std::uintptr_t address) {
  return address % sizeof(void*) == 0 && address >= kLowestAddress && address < kHighestAddress;
}

}  // namespace reading
}  // namespace lamprey::preload::stack
