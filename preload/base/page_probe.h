// Whether memory can be read, told without reading it: for what walks through memory by pointers
// that may be wrong (the unwinder, later the readers of interpreters' frames).
//
// Cost: a load and a compare for a page that is remembered, else one system call, 84 ns:
// rt_sigprocmask with a `how` that does not exist. The kernel copies the new mask in before it
// looks at `how`, so the answer is EFAULT for a page that cannot be read and EINVAL for one that
// can, and the mask never changes. (Precedents: abseil's address_is_readable.cc; LLVM's libunwind,
// since llvm-project #74791.) process_vm_readv is three times as dear and may be forbidden.
//
// Only "yes" is remembered, until somebody says that pages went away (the hooks of munmap and its
// kin, for the range) or that anything may have happened (START). What is left: an unmapping inside
// libc that no hook sees, and a wrong pointer into that very page, within one invocation.
//
// No libc, no lock, no allocation, errno untouched; any thread, any signal handler.
#pragma once

#include <cstddef>
#include <cstdint>

#include "recording/counting.h"

namespace lamprey::preload::page_probe {

inline constexpr unsigned kPageBits = 12;  // asking for each part of a larger page does no harm
inline constexpr std::uintptr_t kPage = std::uintptr_t{1} << kPageBits;
inline constexpr unsigned kIndexBits = 12;
inline constexpr unsigned kTagBits = 24;  // with the index: pages of a 48-bit address

// Which page of those that share the entry, and the generation in which it could be read.
[[gnu::visibility("hidden")]] extern std::uint64_t g_readable[std::size_t{1} << kIndexBits];
[[gnu::visibility("hidden")]] extern std::uint64_t g_generation;

inline std::uint64_t entry_for(std::uintptr_t page, std::uint64_t generation) {
  return (page >> kIndexBits) | (generation << kTagBits);
}
inline std::uint64_t& place_of(std::uintptr_t page) {
  return g_readable[page & ((std::uintptr_t{1} << kIndexBits) - 1)];
}

// Asks the kernel; remembers a "yes".
bool ask(std::uintptr_t page);

// Whether `size` bytes (at least 1) at `address` can be read.
inline bool readable(std::uintptr_t address, std::size_t size) {
  const std::uintptr_t last = (address + size - 1) >> kPageBits;
  for (std::uintptr_t page = address >> kPageBits;; ++page) {
    if (recording::load(place_of(page)) != entry_for(page, recording::load(g_generation)) &&
        !ask(page)) {
      return false;
    }
    if (page == last) {
      return true;
    }
  }
}

// How many bytes stand before the NUL of `text`; `most` when there is none among the first `most`;
// kUnreadable when memory ends before either.
inline constexpr std::size_t kUnreadable = SIZE_MAX;
std::size_t text_length(const char* text, std::size_t most);

// Copies what can be read of `text`, up to its NUL or `capacity` - 1 bytes, and ends with NUL.
// False, and an empty text: memory ends before that, or `text` is nullptr.
bool copy_text(char* to, std::size_t capacity, const char* text);
template <std::size_t N>
bool copy_text(char (&to)[N], const char* text) {
  return copy_text(to, N, text);
}

// Copies up to `size` bytes from an address that a program gave us and that may be bad. Returns how
// many could be read: 0 for a bad pointer. By process_vm_readv(2) on oneself, which needs no
// privilege and cannot be overtaken by an unmapping; where a sandbox forbids it, by asking first.
std::size_t copy_from_caller(void* to, const void* from, std::size_t size);

// After pages in [begin, end) were unmapped, moved away or closed.
void forget(std::uintptr_t begin, std::uintptr_t end);
void forget_all();

}  // namespace lamprey::preload::page_probe
