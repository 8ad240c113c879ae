// See cpu_sites.h.
#include "preload/cpu/cpu_sites.h"

#include "preload/process/thread.h"
#include "preload/stack/modules.h"
#include "preload/stack/unwind_tables.h"
#include "recording/counting.h"

namespace lamprey::preload::cpu::sites {
namespace {

using recording::CpuProfile;
using recording::CpuSite;
using recording::is_function_frame;
using recording::kCpuFrameWords;
using recording::kCpuSites;
using recording::kCpuSitesAlone;
using recording::kMaxCpuDepth;
using recording::load;
using recording::store;

constexpr std::uint32_t kIndexSize = 2 * kCpuSites;
constexpr std::uint32_t kMaxProbes = 32;
constexpr std::uint32_t kStackSites = kCpuSites - kCpuSitesAlone;

std::uint32_t g_index[kIndexSize];  // index in CpuProfile::sites + 1
std::uint64_t g_awake[2];           // as words of a key; 0: none

// A stack as it is looked for.
struct Key {
  std::uint64_t words[kMaxCpuDepth];
  std::uint32_t depth = 0;
  std::uint32_t line = 0;  // of the program's own innermost function; 0: unknown
  bool cut = false;
};

// The address that stands for the function that holds the instruction before `address`: its
// beginning, + 1 as all addresses of stacks are. Where nothing tells, for 256 bytes of code.
std::uint64_t function_at(std::uint64_t address) {
  constexpr std::uint64_t kNear = 256;
  stack::unwind::Tables tables;
  if (stack::modules::find_tables(address - 1, tables) == stack::modules::Answer::kFound) {
    if (const std::uintptr_t begin = stack::unwind::extent_of(tables, address - 1).begin) {
      return begin + 1;
    }
  }
  return ((address - 1) & ~(kNear - 1)) + 1;
}

constexpr std::uint64_t without_line(std::uint64_t word) {
  return word & ~std::uint64_t{recording::kMaxLines};
}

// A function that calls itself; by the same call, if it is machine code.
bool is_same_function(std::uint64_t word, std::uint64_t other) {
  return is_function_frame(word) ? without_line(word) == without_line(other) : word == other;
}

bool has_functions(const stack::Words& words) {
  for (std::uint32_t i = 0; i < words.depth; ++i) {
    if (is_function_frame(words.frames[i])) {
      return true;
    }
  }
  return false;
}

// Of a stack with functions of the program's language those stay, and the innermost function of
// machine code: what the interpreter and its extensions call each other differs in nearly every
// sample, and would fill the table.
Key key_of(const stack::Words& words) {
  Key key;
  key.cut = words.cut;
  const bool functions_only = has_functions(words);
  bool own_seen = false;
  for (std::uint32_t i = 0; i < words.depth; ++i) {
    std::uint64_t word = words.frames[i];
    const bool function = is_function_frame(word);
    if (function && !own_seen) {
      own_seen = true;
      key.line = recording::line_of(word);
      word = without_line(word);
    } else if (!function && i == 0) {
      word = function_at(word);
    } else if (!function && functions_only) {
      continue;
    }
    if (key.depth != 0 && is_same_function(word, key.words[key.depth - 1])) {
      continue;
    }
    if (key.depth == kMaxCpuDepth) {
      key.cut = true;
      break;
    }
    key.words[key.depth++] = word;
  }
  return key;
}

// The innermost function alone, the program's own where there is one.
void leave_one(Key& key) {
  for (std::uint32_t i = 0; i < key.depth; ++i) {
    if (is_function_frame(key.words[i])) {
      key.words[0] = key.words[i];
      break;
    }
  }
  key.depth = 1;
  key.cut = true;
}

std::uint64_t hash_of(const Key& key, std::uint32_t generation) {
  constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15U;
  std::uint64_t hash = (std::uint64_t{generation} << 8U) | key.depth;
  for (std::uint32_t i = 0; i < key.depth; ++i) {
    hash = (hash ^ key.words[i]) * kOdd;
    hash ^= hash >> 29U;
  }
  return hash | 1U;
}

bool is_awake(std::uint64_t word) {
  for (const std::uint64_t known : g_awake) {
    if (known != 0 && known == word) {
      return true;
    }
  }
  return false;
}

// The next entry: of those for whole stacks, or of those for one function. 0: none is left.
std::uint32_t take_entry(CpuProfile& profile, bool alone) {
  std::uint32_t& used = alone ? profile.sites_alone : profile.sites_used;
  const std::uint32_t most = alone ? kCpuSitesAlone : kStackSites;
  if (load(used) >= most) {
    return 0;
  }
  const std::uint32_t index = __atomic_fetch_add(&used, 1U, __ATOMIC_RELAXED);
  return index < most ? (alone ? kStackSites : 0) + index + 1 : 0;
}

// A new entry, complete but for its depth; 0: there is no room.
std::uint32_t fill_next(CpuProfile& profile, const Key& key, std::uint64_t hash,
                        std::uint32_t generation, bool alone) {
  if (load(profile.words_used) + key.depth > kCpuFrameWords - (alone ? 0 : kCpuSitesAlone)) {
    return 0;
  }
  const std::uint32_t entry = take_entry(profile, alone);
  if (entry == 0) {
    return 0;
  }
  const std::uint32_t first = __atomic_fetch_add(&profile.words_used, key.depth, __ATOMIC_RELAXED);
  if (first > kCpuFrameWords - key.depth) {
    return 0;
  }
  CpuSite& site = profile.sites[entry - 1];
  store(site.hash, hash);
  site.first = first;
  site.generation = static_cast<std::uint16_t>(generation);
  site.flags = key.cut ? recording::kStackCut : std::uint16_t{0};
  if (is_awake(key.words[0])) {
    site.flags |= recording::kCpuAwake;
  }
  for (std::uint32_t i = 0; i < key.depth; ++i) {
    profile.words[first + i] = key.words[i];
  }
  return entry;
}

CpuSite* find(CpuProfile& profile, const Key& key, bool alone) {
  const std::uint32_t generation = load(g_writer.header().generation);
  const std::uint64_t hash = hash_of(key, generation);
  std::uint32_t fresh = 0;
  for (std::uint32_t probe = 0; probe < kMaxProbes; ++probe) {
    std::uint32_t& place = g_index[(hash + probe) % kIndexSize];
    std::uint32_t there = __atomic_load_n(&place, __ATOMIC_ACQUIRE);
    if (there == 0) {
      fresh = fresh != 0 ? fresh : fill_next(profile, key, hash, generation, alone);
      if (fresh == 0) {
        return nullptr;
      }
      if (__atomic_compare_exchange_n(&place, &there, fresh, false, __ATOMIC_ACQ_REL,
                                      __ATOMIC_ACQUIRE)) {
        recording::publish(profile.sites[fresh - 1].depth, static_cast<std::uint16_t>(key.depth));
        return &profile.sites[fresh - 1];
      }
    }
    if (load(profile.sites[there - 1].hash) == hash) {
      return &profile.sites[there - 1];
    }
  }
  return nullptr;
}

void count_line(CpuSite& site, std::uint32_t line, std::uint32_t intervals) {
  if (line == 0) {
    return;
  }
  for (recording::CpuLine& known : site.lines) {
    if (load(known.line) == 0) {
      recording::exchange_if(known.line, 0, line);  // or another thread was faster
    }
    if (load(known.line) == line) {
      recording::shared_add(known.intervals, intervals);
      return;
    }
  }
  recording::shared_add(site.other_lines, intervals);
}

}  // namespace

void add(const stack::Words& words, std::uint32_t intervals) {
  CpuProfile* profile = g_writer.cpu();
  if (profile == nullptr) {
    return;
  }
  Key key = key_of(words);
  CpuSite* site = find(*profile, key, false);
  if (site == nullptr) {
    leave_one(key);
    site = find(*profile, key, true);
  }
  if (site == nullptr) {
    recording::shared_add(profile->unplaced, intervals);
    return;
  }
  recording::shared_add(site->intervals, intervals);
  count_line(*site, key.line, intervals);
}

void mark_awake(const void* function) {
  for (std::uint64_t& place : g_awake) {
    if (function != nullptr && place == 0) {
      place = reinterpret_cast<std::uintptr_t>(function) + 1;
      return;
    }
  }
}

void forget_all() {
  for (std::uint32_t& place : g_index) {
    store(place, 0);
  }
}

}  // namespace lamprey::preload::cpu::sites
