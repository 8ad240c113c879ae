// The set of live_set.h: two arrays, the keys apart so that eight of them share a cache line.
#include "preload/memory/live_set.h"

namespace lamprey::preload::memory::live_set {

std::uint8_t g_filter[kEntries];

namespace {

constexpr std::uint32_t kBucket = 8;
constexpr std::uint32_t kWindow = 4 * kBucket;  // places in which a block may be
constexpr std::uintptr_t kBusy = 1;             // being filled; no block has this address

alignas(64) std::uintptr_t g_keys[kEntries];
constinit Sampled g_values[kEntries] = {};

std::uint32_t first_place(const void* block) { return hash_of(block) & ~(kBucket - 1); }

}  // namespace

bool put(const void* block, const Sampled& sampled) {
  const std::uint32_t first = first_place(block);
  for (std::uint32_t i = 0; i < kWindow; ++i) {
    const std::uint32_t place = (first + i) % kEntries;
    if (recording::load(g_keys[place]) == 0 && recording::exchange_if(g_keys[place], 0, kBusy)) {
      g_values[place] = sampled;
      recording::shared_add(g_filter[hash_of(block)], std::uint8_t{1});
      recording::publish(g_keys[place], reinterpret_cast<std::uintptr_t>(block));
      return true;
    }
  }
  return false;
}

bool take(const void* block, Sampled& sampled) {
  const auto key = reinterpret_cast<std::uintptr_t>(block);
  const std::uint32_t first = first_place(block);
  for (std::uint32_t i = 0; i < kWindow; ++i) {
    const std::uint32_t place = (first + i) % kEntries;
    if (__atomic_load_n(&g_keys[place], __ATOMIC_ACQUIRE) == key) {
      sampled = g_values[place];
      if (!recording::exchange_if(g_keys[place], key, 0)) {
        return false;  // freed twice at once: the other one has it
      }
      recording::shared_add(g_filter[hash_of(block)], std::uint8_t{255});  // one less, modulo 256
      return true;
    }
  }
  return false;
}

// Pages without an entry are not written to: each would become the child's own.
void forget_all() {
  for (std::uintptr_t& key : g_keys) {
    if (recording::load(key) != 0) {
      recording::store(key, 0);
    }
  }
  for (std::uint8_t& count : g_filter) {
    if (recording::load(count) != 0) {
      recording::store(count, 0);
    }
  }
}

}  // namespace lamprey::preload::memory::live_set
