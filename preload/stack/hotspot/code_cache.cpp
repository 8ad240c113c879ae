// See code_cache.h.
#include "preload/stack/hotspot/code_cache.h"

#include "preload/base/text.h"
#include "preload/stack/reading/memory_reads.h"
#include "recording/counting.h"

namespace lamprey::preload::stack::hotspot {
namespace {

using recording::load;
using recording::store;

constexpr std::uint8_t kFreeSegment = 0xFF;
constexpr int kMaxHops = 4096;
constexpr std::uint32_t kMaxShift = 20;

// The space went in some version after 21.
constexpr const char* kContinuationNames[] = {"StubRoutines (continuation stubs)",
                                              "StubRoutines (continuationstubs)"};

constexpr struct {
  const char* name;
  Kind kind;
} kNames[] = {{"nmethod", Kind::kCompiled},
              {"native nmethod", Kind::kNative},
              {"Interpreter", Kind::kInterpreter},
              {"StubRoutines", Kind::kStubs},
              {"I2C/C2I", Kind::kAdapter}};

bool begins(std::uintptr_t name, const char* prefix) {
  return can_read(name, length_of(prefix)) &&
         starts_with(reinterpret_cast<const char*>(name), prefix);
}

}  // namespace

Kind kind_of(std::uintptr_t name) {
  for (const char* continuation : kContinuationNames) {
    if (begins(name, continuation)) {
      return Kind::kContinuation;
    }
  }
  for (const auto& known : kNames) {
    if (begins(name, known.name)) {
      return known.kind;
    }
  }
  return name != 0 && can_read(name, 1) ? Kind::kOther : Kind::kNone;
}

std::size_t first_segment(const std::uint8_t* map, std::size_t index) {
  for (int hop = 0; hop < kMaxHops; ++hop) {
    const std::uint8_t back = map[index];
    if (back == 0) {
      return index;
    }
    if (back == kFreeSegment || back > index) {
      return kFree;
    }
    index -= back;
  }
  return kFree;
}

bool CodeCache::begin() {
  std::uintptr_t list = 0;
  std::uintptr_t low = 0;
  std::uintptr_t high = 0;
  std::int32_t heaps = 0;
  if (!read_at(fields_.at[kStaticHeaps], list) || list == 0 ||
      !read_at(list + fields_.at[kArrayLength], heaps) || heaps < 1 ||
      !read_at(fields_.at[kStaticLowBound], low) || !read_at(fields_.at[kStaticHighBound], high) ||
      low < kLowestAddress || high <= low || high > kHighestAddress) {
    return false;
  }
  low_ = low;
  bytes_ = high - low;
  return true;
}

// The upper end grows as code is made; the lower one never moves.
bool CodeCache::holds(const Heap& heap, std::uintptr_t pc) const {
  std::uintptr_t high = 0;
  return pc >= heap.low &&
         read_at(heap.object + fields_.at[kHeapMemory] + fields_.at[kSpaceHigh], high) && pc < high;
}

void CodeCache::keep(const Heap& heap) {
  if (__atomic_test_and_set(&keeping_, __ATOMIC_ACQUIRE)) {
    return;  // another thread found one: it is found again
  }
  const std::uint32_t count = load(count_);
  bool known = count == kMaxHeaps;
  for (std::uint32_t i = 0; i < count; ++i) {
    known = known || heaps_[i].object == heap.object;
  }
  if (!known) {
    heaps_[count] = heap;
    recording::publish(count_, count + 1);
  }
  __atomic_clear(&keeping_, __ATOMIC_RELEASE);
}

bool CodeCache::find_new_heap(std::uintptr_t pc, Heap& heap) {
  std::uintptr_t list = 0;
  std::uintptr_t data = 0;
  std::int32_t count = 0;
  if (!read_at(fields_.at[kStaticHeaps], list) ||
      !read_at(list + fields_.at[kArrayLength], count) ||
      !read_at(list + fields_.at[kArrayData], data)) {
    return false;
  }
  for (std::uint32_t i = 0; i < kMaxHeaps && static_cast<std::int32_t>(i) < count; ++i) {
    std::int32_t shift = 0;
    if (!read_at(data + (i * sizeof(heap.object)), heap.object) || !is_object(heap.object) ||
        !read_at(heap.object + fields_.at[kHeapMemory] + fields_.at[kSpaceLow], heap.low) ||
        !read_at(heap.object + fields_.at[kHeapSegmentMap] + fields_.at[kSpaceLow],
                 heap.segment_map) ||
        !read_at(heap.object + fields_.at[kHeapShift], shift) || shift < 3 ||
        shift > static_cast<std::int32_t>(kMaxShift)) {
      continue;
    }
    if (heap.low != 0 && heap.segment_map != 0 && holds(heap, pc)) {
      store(shift_, static_cast<std::uint32_t>(shift));  // all heaps have the same
      keep(heap);
      return true;
    }
  }
  return false;
}

bool CodeCache::find_heap(std::uintptr_t pc, Heap& heap) {
  const std::uint32_t count = __atomic_load_n(&count_, __ATOMIC_ACQUIRE);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (holds(heaps_[i], pc)) {
      heap = heaps_[i];
      return true;
    }
  }
  return find_new_heap(pc, heap);
}

// Runtime stubs may have names of their own, on the C heap; those of methods and of the interpreter
// are the same everywhere.
Kind CodeCache::kind_by_name(std::uintptr_t name) {
  constexpr Kind kOften[] = {Kind::kCompiled, Kind::kInterpreter, Kind::kNative};
  for (const Kind kind : kOften) {
    if (name != 0 && load(names_[static_cast<std::size_t>(kind)]) == name) {
      return kind;
    }
  }
  const Kind kind = kind_of(name);
  if (kind == Kind::kCompiled || kind == Kind::kInterpreter || kind == Kind::kNative) {
    store(names_[static_cast<std::size_t>(kind)], name);
  }
  return kind;
}

Blob CodeCache::find(std::uintptr_t pc) {
  constexpr Blob kNothing = {0, Kind::kNone};
  Heap heap = {};
  if (!find_heap(pc, heap)) {
    return kNothing;
  }
  const std::uint32_t shift = load(shift_);
  const std::size_t index = (pc - heap.low) >> shift;
  // The segments of a block were committed before those of the blocks behind it.
  if (!can_read(heap.segment_map + index, 1)) {
    return kNothing;
  }
  const std::size_t first =
      first_segment(reinterpret_cast<const std::uint8_t*>(heap.segment_map), index);
  if (first == kFree) {
    return kNothing;
  }
  const std::uintptr_t block = heap.low + (first << shift);
  const std::uintptr_t blob = block + fields_.at[kSizeOfBlock];
  std::uint8_t used = 0;
  std::uintptr_t name = 0;
  if (!read_at(block + fields_.at[kBlockUsed], used) || used != 1 ||
      !read_at(blob + fields_.at[kBlobName], name)) {
    return kNothing;
  }
  return {blob, kind_by_name(name)};
}

}  // namespace lamprey::preload::stack::hotspot
