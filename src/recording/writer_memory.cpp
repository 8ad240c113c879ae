// What is counted of memory: live bytes and their peak, of each thread and of the process.
#include "recording/writer.h"

namespace lamprey::recording {

void Writer::publish(ThreadSlot& slot) {
  const std::int64_t live = load(slot.memory.live_bytes);
  const std::int64_t published = load(slot.published);
  raise_to(header().peak_live, load(header().live_published) + (load(slot.peak) - published));
  shared_add(header().live_published, live - published);
  store(slot.published, live);
  store(slot.peak, live);
}

void Writer::count_reallocation(ThreadSlot& slot, std::uint64_t requested,
                                std::uint64_t usable_before, std::uint64_t usable_after) {
  own_add(slot.memory.reallocations, 1);
  own_add(slot.memory.allocated_bytes, requested);
  own_add(slot.memory.freed_bytes, usable_before);
  const auto change =
      static_cast<std::int64_t>(usable_after) - static_cast<std::int64_t>(usable_before);
  if (change >= 0 ? grow(slot, change) : shrink(slot, -change)) {
    publish(slot);
  }
}

void Writer::shared_live(std::int64_t change) {
  ThreadSlot& slot = slot_at(0);
  shared_add(slot.memory.live_bytes, change);
  shared_add(slot.published, change);
  shared_add(slot.peak, change);  // equal to `published`: nothing of slot 0 is ever unpublished
  const std::int64_t now = __atomic_add_fetch(&header().live_published, change, __ATOMIC_RELAXED);
  raise_to(header().peak_live, now);
}

void Writer::shared_allocation(std::uint64_t requested, std::uint64_t usable) {
  shared_add(slot_at(0).memory.allocations, 1);
  shared_add(slot_at(0).memory.allocated_bytes, requested);
  shared_live(static_cast<std::int64_t>(usable));
}

void Writer::shared_free(std::uint64_t usable) {
  shared_add(slot_at(0).memory.frees, 1);
  shared_add(slot_at(0).memory.freed_bytes, usable);
  shared_live(-static_cast<std::int64_t>(usable));
}

void Writer::shared_reallocation(std::uint64_t requested, std::uint64_t before,
                                 std::uint64_t after) {
  shared_add(slot_at(0).memory.reallocations, 1);
  shared_add(slot_at(0).memory.allocated_bytes, requested);
  shared_add(slot_at(0).memory.freed_bytes, before);
  shared_live(static_cast<std::int64_t>(after) - static_cast<std::int64_t>(before));
}

void Writer::inherit_live(std::int64_t bytes) { shared_live(bytes); }

std::int64_t Writer::live_bytes() const {
  std::int64_t sum = 0;
  const std::uint32_t used = slots_used();
  for (std::uint32_t i = 0; i < used; ++i) {
    sum += load(slot_at(i).memory.live_bytes);
  }
  return sum;
}

void Writer::restart_peak() {
  std::int64_t live = load(header().live_published);
  const std::uint32_t used = slots_used();
  for (std::uint32_t i = 1; i < used; ++i) {
    ThreadSlot& slot = slot_at(i);
    const std::int64_t now = load(slot.memory.live_bytes);
    live += now - load(slot.published);
    store(slot.peak, now);  // its owner may be raising it: the error is at most kPublishStep
  }
  store(header().peak_live, live);
}

std::int64_t Writer::peak_live() const {
  const std::int64_t published = load(header().live_published);
  std::int64_t peak = load(header().peak_live);
  const std::uint32_t used = slots_used();
  for (std::uint32_t i = 1; i < used; ++i) {
    const ThreadSlot& slot = slot_at(i);
    const std::int64_t candidate = published + load(slot.peak) - load(slot.published);
    peak = candidate > peak ? candidate : peak;
  }
  return peak;
}

void Writer::restart_samples() {
  store(header().samples_this_round, 0);
  const std::uint64_t asked = load(header().sample_bytes);
  const std::uint64_t half = load(header().sample_now) / 2;
  store(header().sample_now, half > asked ? half : asked);
  store(header().peak_sampled, load(header().sampled_live));
}

void Writer::sum_memory(MemoryTotals& into) const {
  MemoryTotals sum = {};
  const std::uint32_t used = slots_used();
  for (std::uint32_t i = 0; i < used; ++i) {
    const MemoryTotals& memory = slot_at(i).memory;
    sum.allocations += load(memory.allocations);
    sum.frees += load(memory.frees);
    sum.reallocations += load(memory.reallocations);
    sum.allocated_bytes += load(memory.allocated_bytes);
    sum.freed_bytes += load(memory.freed_bytes);
    sum.failed += load(memory.failed);
    sum.live_bytes += load(memory.live_bytes);
  }
  into = sum;
}

}  // namespace lamprey::recording
