// What attach needs to know of the malloc hooks: how usable size is obtained, and what was
// allocated before it. The hooks themselves: allocation.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamprey::preload::hooks {

// glibc keeps a chunk's size in the word before the block; the low three bits are flags
// (malloc/malloc.c, "malloc_chunk details"). The layout is that of every glibc from 2.26 to 2.41,
// yet it is used only after check at attach. A chunk that is a mapping of its own has another
// overhead; it is large, so asking malloc_usable_size costs nothing that shows.
inline constexpr std::size_t kGlibcMapping = 2;
inline bool glibc_chunk_is_mapping(const void* block) {
  return (static_cast<const std::size_t*>(block)[-1] & kGlibcMapping) != 0;
}
inline std::size_t glibc_usable_size(const void* block) {
  return (static_cast<const std::size_t*>(block)[-1] & ~std::size_t{7}) - sizeof(std::size_t);
}

// Counters from before attach, shared by all threads. `open` until it is decided.
struct EarlyAllocations {
  bool open;
  std::uint64_t allocations;
  std::uint64_t frees;
  std::uint64_t reallocations;
  std::uint64_t allocated_bytes;
  std::uint64_t freed_bytes;
  std::uint64_t failed;
  std::int64_t live_bytes;
  std::int64_t peak;
};
[[gnu::visibility("hidden")]] extern EarlyAllocations g_early;

// The malloc hook itself. (The symbol malloc, even in here, is whatever the process resolves it
// to.)
using MallocFunction = void* (*)(std::size_t);
MallocFunction lamprey_own_malloc();

}  // namespace lamprey::preload::hooks
