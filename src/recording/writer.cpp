// The rare half of the writing side: slots, rows, publishing. Marks and boundaries: marks.cpp.
#include "recording/writer.h"

namespace lamprey::recording {

void Writer::bind(std::byte* base, bool exact) {
  base_ = base;
  for (Interval& interval : idle_) {
    interval = {};
  }
  boundary_busy_ = false;
  reclaiming_ = false;
  places_used_ = 0;
  for (std::uint16_t& place : place_of_) {
    place = 0;
  }
  for (std::uint16_t& entry : index_) {
    entry = 0;
  }
  Header& h = header();
  h.version = kVersion;
  h.header_bytes = sizeof(Header);
  h.file_bytes = exact ? kExactFileBytes : kFileBytes;
  h.invocations = {kInvocationsOffset, sizeof(Invocation), kInvocations};
  h.boundaries = {kBoundariesOffset, sizeof(Boundary), kBoundaries};
  h.slots = {kSlotsOffset, sizeof(ThreadSlot), kThreadSlots};
  h.rows = {kRowsOffset, sizeof(CallRow), kCallRows};
  h.descriptors = {kDescriptorsOffset, sizeof(Descriptor), kDescriptors};
  h.targets = {kTargetsOffset, sizeof(Target), kTargets};
  h.modules = {kModulesOffset, sizeof(Module), kModules};
  h.sites = {kSitesOffset, sizeof(Site), kStacks};
  h.stacks = {kStacksOffset, sizeof(Stack), kStacks};
  h.kernel = {kKernelOffset, sizeof(Kernel), exact ? 1U : 0U};
  h.call_count = kCallCount;
  h.bucket_count = kBuckets;
  h.slots_used = 1;  // slot 0: the threads that got none
  h.rows_used = kCallCount;
}

std::uint32_t Writer::slots_used() const {
  const std::uint32_t used = load(header().slots_used);
  return used < kThreadSlots ? used : kThreadSlots;
}

ThreadSlot* Writer::claim_slot(std::int32_t tid) {
  auto claim = [tid](ThreadSlot& slot) {
    if (!exchange_if(slot.state, SlotState::kFree, SlotState::kInUse)) {
      return false;
    }
    store(slot.tid, tid);
    shared_add(slot.generation, 1);
    return true;
  };
  const std::uint32_t used = slots_used();
  for (std::uint32_t i = 1; i < used; ++i) {  // slots of threads that ended come first
    if (load(slot_at(i).state) == SlotState::kFree && claim(slot_at(i))) {
      return &slot_at(i);
    }
  }
  while (load(header().slots_used) < kThreadSlots) {
    const std::uint32_t fresh = __atomic_fetch_add(&header().slots_used, 1U, __ATOMIC_RELAXED);
    if (fresh >= kThreadSlots) {
      break;  // several threads overshot together; slots_used() clamps
    }
    if (claim(slot_at(fresh))) {
      return &slot_at(fresh);
    }
  }
  return nullptr;
}

// A slot that is just being claimed, or given back, has no tid: it is left alone. One thread at a
// time, for publish() is of a slot's one owner.
bool Writer::reclaim_slots(IsGone is_gone) {
  if (__atomic_test_and_set(&reclaiming_, __ATOMIC_ACQUIRE)) {
    return false;
  }
  bool any = false;
  const std::uint32_t used = slots_used();
  for (std::uint32_t i = 1; i < used; ++i) {
    ThreadSlot& slot = slot_at(i);
    const std::int32_t tid = load(slot.tid);
    if (load(slot.state) == SlotState::kInUse && tid != 0 && is_gone(tid)) {
      give_back(slot);
      any = true;
    }
  }
  __atomic_clear(&reclaiming_, __ATOMIC_RELEASE);
  return any;
}

ThreadSlot* Writer::take_slot(std::int32_t tid, IsGone is_gone) {
  constexpr std::uint64_t kAskEvery = 64;
  ThreadSlot* slot = claim_slot(tid);
  if (slot == nullptr && is_gone != nullptr &&
      load(header().threads_without_slot) % kAskEvery == 0 && reclaim_slots(is_gone)) {
    slot = claim_slot(tid);
  }
  if (slot == nullptr) {
    shared_add(header().threads_without_slot, 1);
  }
  return slot;
}

void Writer::give_back(ThreadSlot& slot) {
  publish(slot);
  store(slot.in_flight.call, 0);
  store(slot.tid, 0);
  recording::publish(slot.state, SlotState::kFree);
}

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

std::uint32_t Writer::take_row(ThreadSlot& slot, std::uint32_t call) {
  std::uint32_t row = kNoRow;
  if (load(header().rows_used) < kCallRows) {
    const std::uint32_t fresh = __atomic_fetch_add(&header().rows_used, 1U, __ATOMIC_RELAXED);
    if (fresh < kCallRows) {
      row = fresh;
      row_at(row).call = static_cast<std::uint16_t>(call);
      row_at(row).slot = static_cast<std::uint16_t>(&slot - &slot_at(0));
    }
  }
  if (row == kNoRow) {
    shared_add(header().rows_refused, 1);
  }
  slot.row_of[call] = static_cast<std::uint16_t>(row);
  return row;
}

void Writer::count_shared(std::uint32_t call, std::uint64_t ticks, bool failed,
                          std::uint64_t bytes) {
  CallTotals& totals = row_at(call).totals;
  shared_add(totals.calls, 1);
  shared_add(totals.errors, failed ? 1 : 0);
  shared_add(totals.bytes, bytes);
  shared_add(totals.ticks, ticks);
  shared_add(totals.buckets[bucket_of(ticks)], 1);
  raise_to(totals.max_ticks, ticks);
}

// From a place that the key chooses; when all are taken the failure is in its row's errors only.
void Writer::count_error(Call call, std::int32_t error) {
  const std::uint32_t key = call_error_key(static_cast<std::uint32_t>(call), error);
  const std::uint32_t first = (key * 0x9E3779B1U) >> 16U;
  for (std::uint32_t i = 0; error != 0 && i < kCallErrors; ++i) {
    CallError& entry = header().call_errors[(first + i) % kCallErrors];
    if (load(entry.key) == key || exchange_if(entry.key, 0U, key) || load(entry.key) == key) {
      shared_add(entry.count, 1);
      return;
    }
  }
}

}  // namespace lamprey::recording
