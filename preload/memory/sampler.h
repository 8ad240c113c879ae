// Which allocations are sampled, and what is counted for them. docs/sampling.md has the derivation
// and the error bars; in short:
//
//   * Each thread measures what it allocates (requested bytes, plus 1 for each new block, so that
//     blocks of no size have their chance) and samples the allocation in which the measure passes a
//     random mark. The distances between marks are exponential with mean T (LAMPREY_SAMPLE_BYTES),
//     so every byte has the same chance whatever pattern the program allocates in.
//   * A block of measure s is sampled with chance p = 1 - e^(-s/T). It is counted 1/p times, at
//     once, and this weight stays with it until its free. So every sum is unbiased, also when T
//     changes: T doubles when an invocation takes more than kMaxSamples, and halves again at the
//     next START.
//   * realloc ends the old block and may sample the new one, at realloc's stack.
//
// Cost: nothing is stored for an allocation that is not sampled: two loads of counters that were
// just written, an add and a compare; for a free, one load (live_set.h). A sample: ~100 ns at a
// place where the thread took one lately, else a walk (unwind.h) more.
#pragma once

#include <cstddef>
#include <cstdint>

#include "preload/memory/live_set.h"
#include "recording/layout.h"

namespace lamprey::preload::memory::sampler {

// At attach: `text` is LAMPREY_SAMPLE_BYTES or nullptr. Not a number: the default, and false.
bool attach(const char* text);

inline bool due(const recording::ThreadSlot& slot) {
  return recording::load(slot.memory.allocated_bytes) + recording::load(slot.memory.allocations) >=
         recording::load(slot.next_sample);
}

// After an allocation was counted in `slot` and is due. `usable`: of the block.
enum class Kind : std::uint8_t { kNew, kResized };
void take(recording::ThreadSlot& slot, const void* block, std::size_t requested, std::size_t usable,
          Kind kind);
// The same for the slot that threads share.
void take_shared(const void* block, std::size_t requested, std::size_t usable, Kind kind);

// After a mapping of `bytes` at `begin` was made. Each byte has the chance that each byte of
// malloc's has; it is drawn for the mapping alone, which for a Poisson process is the same.
void take_mapping(std::uintptr_t begin, std::uint64_t bytes);

// Before the real free of a block that live_set may hold.
void freed(const void* block);

// Before the real realloc, and after: it may have failed, then the old block lives on.
struct Moved {
  bool sampled;
  live_set::Sampled was;
};
Moved moving(const void* block);
void not_moved(const void* block, const Moved& moved);

}  // namespace lamprey::preload::memory::sampler
