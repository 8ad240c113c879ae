// The sampled blocks that are still allocated: address → what it stands for. Fixed size, no lock.
//
// Cost: may_hold, which every free asks, is one multiplication and one load of a 16 KB filter,
// almost always 0. The rest happens once a sample. It is private memory, not part of the recording:
// what is live stands there summed up by stack, so nothing of it is lost when the process is
// killed.
//
// A block is put in after the real malloc gave it and taken out before the real free gets it, both
// by its owner: no two threads ever ask for the same block at once, unless the program frees twice.
#pragma once

#include <cstdint>

#include "recording/counting.h"

namespace lamprey::preload::memory::live_set {

inline constexpr std::uint32_t kEntryBits = 14;
inline constexpr std::uint32_t kEntries = 1U << kEntryBits;

struct Sampled {
  std::uint64_t live_bytes;  // usable bytes that it stands for
  std::uint32_t stack;       // index in Stack[] + 1; 0: taken where stacks were full
  std::uint32_t round;       // Header::started, its lower half, when it was taken
};

[[gnu::visibility("hidden")]] extern std::uint8_t
    g_filter[kEntries];  // blocks in the set whose address hashes to this

// Of the lower half of the address alone: one multiplication and one shift. Blocks 4 GB apart meet,
// which the set allows for like any two that do.
inline std::uint32_t hash_of(const void* block) {
  const auto address = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(block));
  return (address * 0x9E3779B1U) >> (32 - kEntryBits);
}

inline bool may_hold(const void* block) { return recording::load(g_filter[hash_of(block)]) != 0; }

// False: no room near its place.
bool put(const void* block, const Sampled& sampled);
// False: it was not in.
bool take(const void* block, Sampled& sampled);
// In a forked child, which has one thread: what it has inherited is at no site of its recording.
void forget_all();

}  // namespace lamprey::preload::memory::live_set
