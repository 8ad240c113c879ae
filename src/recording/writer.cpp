// The writing side: binding a recording, and the slots of threads. The rest is in the files beside
// this one, each named after what it writes: writer_memory, writer_calls, writer_targets,
// writer_accounts, writer_kernel, writer_idle, writer_boundary, writer_marks, writer_timeline.
#include "recording/writer.h"
#include "recording/births.h"

namespace lamprey::recording {

void Writer::bind(std::byte* base, Extras extras) {
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
  h.file_bytes = recording::file_bytes(extras);
  h.invocations = {kInvocationsOffset, sizeof(Invocation), kInvocations};
  h.boundaries = {kBoundariesOffset, sizeof(Boundary), kBoundaries};
  h.slots = {kSlotsOffset, sizeof(ThreadSlot), kThreadSlots};
  h.rows = {kRowsOffset, sizeof(CallRow), kCallRows};
  h.descriptors = {kDescriptorsOffset, sizeof(Descriptor), kDescriptors};
  h.targets = {kTargetsOffset, sizeof(Target), kTargets};
  h.modules = {kModulesOffset, sizeof(Module), kModules};
  h.sites = {kSitesOffset, sizeof(Site), kStacks};
  h.stacks = {kStacksOffset, sizeof(Stack), kStacks};
  h.frame_words = {kFrameWordsOffset, sizeof(std::uint64_t), kFrameWords};
  h.functions = {kFunctionsOffset, sizeof(Function), kFunctions};
  h.source_files = {kSourceFilesOffset, sizeof(SourceFile), kSourceFiles};
  h.function_text = {kFunctionTextOffset, 1, kFunctionText};
  h.notes = {kNotesOffset, sizeof(Notes), 1};
  h.timeline = {kTimelineOffset, sizeof(Timeline), 1};
  h.kernel = {kKernelOffset, sizeof(Kernel), extras.exact ? 1U : 0U};
  h.cpu = {cpu_offset(extras), sizeof(CpuProfile), extras.cpu ? 1U : 0U};
  h.trail = {trail_offset(extras), sizeof(Trail), extras.batch ? 1U : 0U};
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
  auto claim = [this, tid](ThreadSlot& slot) {
    if (!exchange_if(slot.state, SlotState::kFree, SlotState::kInUse)) {
      return false;
    }
    store(slot.tid, tid);
    shared_add(slot.generation, 1);
    store(slot.in_flight.asked, 0);
    set_born(slot, load(header().started));
    const auto clear = [](auto& ticks) {  // times are one thread's
      for (std::uint64_t& each : ticks) {
        store(each, 0);
      }
    };
    clear(slot.class_ticks);
    clear(slot.woke_ticks);
    clear(slot.handed_on_ticks);
    for (Waker& waker : slot.wakers) {
      store(waker.times, 0U);
    }
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

// A slot that is just being claimed or given back has no tid and is left alone. One thread at a
// time, because only a slot's one owner may call publish().
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

}  // namespace lamprey::recording
