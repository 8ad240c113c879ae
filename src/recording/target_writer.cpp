// The writing side of targets and of threads' accounts of time: the table's index, what boundaries
// and marks take of both. What a descriptor leads to is decided in preload/.
#include "recording/writer.h"

namespace lamprey::recording {

std::uint32_t Writer::targets_used(TargetKind kind) const {
  const auto which = static_cast<std::uint32_t>(kind);
  const std::uint32_t used = load(header().targets_used[which]);
  return used < kTargetRoom[which] ? used : kTargetRoom[which];
}

std::uint32_t Writer::find_target(TargetKind kind, std::uint64_t hash) const {
  const auto which = static_cast<std::uint32_t>(kind);
  for (std::uint32_t step = 0; step < kIndex; ++step) {
    const std::uint32_t entry = load(index_[(hash + step) % kIndex]);
    if (entry == 0) {
      return kNoTarget;
    }
    const std::uint32_t index = entry - 1;
    const bool of_kind =
        index >= kTargetFirst[which] && index - kTargetFirst[which] < kTargetRoom[which];
    if (of_kind && __atomic_load_n(&target_at(index).ready, __ATOMIC_ACQUIRE) != 0 &&
        target_at(index).hash == hash) {
      return index;
    }
  }
  return kNoTarget;
}

std::uint32_t Writer::take_target(TargetKind kind, std::uint64_t hash) {
  const auto which = static_cast<std::uint32_t>(kind);
  if (load(header().targets_used[which]) >= kTargetRoom[which]) {
    return kNoTarget;
  }
  const std::uint32_t taken =
      __atomic_fetch_add(&header().targets_used[which], 1U, __ATOMIC_RELAXED);
  if (taken >= kTargetRoom[which]) {
    return kNoTarget;  // several threads overshot together; targets_used() clamps
  }
  const std::uint32_t index = kTargetFirst[which] + taken;
  target_at(index).hash = hash;
  return index;
}

void Writer::show_target(std::uint32_t index) {
  Target& target = target_at(index);
  __atomic_store_n(&target.ready, 1U, __ATOMIC_RELEASE);
  for (std::uint32_t step = 0; step < kIndex; ++step) {
    if (exchange_if(index_[(target.hash + step) % kIndex], std::uint16_t{0},
                    static_cast<std::uint16_t>(index + 1))) {
      return;
    }
  }
}

void Writer::sum_targets(Boundary& boundary) const {
  for (std::uint32_t kind = 0; kind < kTargetKinds; ++kind) {
    const std::uint32_t used = targets_used(static_cast<TargetKind>(kind));
    for (std::uint32_t i = 0; i < used; ++i) {
      const std::uint32_t index = kTargetFirst[kind] + i;
      boundary.targets[index] = sum_of(target_at(index).totals, target_at(index).owned);
    }
    boundary.targets_used[kind] = used;
  }
}

// What the call in flight is spent on, if it were to return now: waits are what nobody knows yet.
CallClass Writer::class_in_flight(const InFlight& flight) const {
  const CallClass by_name = kCallTable[flight.call - 1].call_class;
  const auto fd = static_cast<std::uint32_t>(flight.descriptor);
  const bool on_descriptor = by_name == CallClass::kFile || by_name == CallClass::kNetwork;
  if (!on_descriptor || fd >= kDescriptors) {
    return by_name;
  }
  const Descriptor& entry = descriptor(static_cast<int>(fd));
  const bool runtime_api =
      entry.kind == DescriptorKind::kHost && entry.target != 0 &&
      (target_at((entry.target - 1U) % kTargets).flags & kTargetRuntimeApi) != 0;
  return runtime_api ? CallClass::kOther : class_of(entry.kind, by_name);
}

ThreadMoment Writer::moment_of(const ThreadAccount& account, std::uint64_t now,
                               CpuOf cpu_of) const {
  ThreadMoment moment = {};
  if (account.tid == 0) {
    return moment;
  }
  moment.cpu_ns = cpu_of != nullptr ? cpu_of(account.tid) : 0;
  const ThreadSlot& slot = slot_at(account.slot);
  for (std::uint32_t i = 0; i < kCallClasses; ++i) {
    moment.class_ticks[i] = load(slot.class_ticks[i]);
  }
  const InFlight flight = slot.in_flight;
  if (flight.call != 0 && flight.call <= kCallCount) {
    moment.class_ticks[static_cast<std::uint32_t>(class_in_flight(flight))] +=
        busy_between(flight.started, now);
  }
  return moment;
}

void Writer::open_accounts(Invocation& entry, std::uint64_t now, CpuOf cpu_of) const {
  const std::int32_t first_tid = header().pid;
  entry.accounts[0] = {entry.slot != 0 ? entry.tid : 0, entry.slot, {}, {}};
  // The constructor ran in the process's first thread, so that one has the first slot.
  // Where several run at a time it has a request of its own, or none.
  const bool other =
      entry.tid != first_tid && load(slot_at(1).tid) == first_tid && !is_concurrent(header());
  entry.accounts[1] = {other ? first_tid : 0, other ? 1U : 0U, {}, {}};
  for (ThreadAccount& account : entry.accounts) {
    account.started = moment_of(account, now, cpu_of);
  }
}

}  // namespace lamprey::recording
