// Targets: the index of their table, and what a boundary takes of them. What a descriptor leads to
// is decided in preload/io/.
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

void Writer::restart_longest() const {
  const std::uint32_t used = targets_used(TargetKind::kHost);
  for (std::uint32_t i = 0; i < used; ++i) {
    store(target_at(kTargetFirst[static_cast<std::uint32_t>(TargetKind::kHost)] + i).longest_ticks,
          0);
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

}  // namespace lamprey::recording
