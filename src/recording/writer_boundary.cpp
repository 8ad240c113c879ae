// The totals that are copied at the end of init and of each invocation.
#include "recording/writer.h"

namespace lamprey::recording {

void Writer::write_boundary(std::uint64_t sequence, ClockPair now, const ResourceUse& use) {
  if (__atomic_test_and_set(&boundary_busy_, __ATOMIC_ACQUIRE)) {
    shared_add(header().boundaries_missed, 1);
    return;
  }
  // A trail compares with the one before, so that must not be overwritten: sequences may skip.
  const Trail* const trail = this->trail();
  const std::uint64_t place = trail == nullptr ? sequence : trail->entries;
  Boundary& boundary = boundary_at(place);
  store(boundary.sequence_end, 0);
  store(boundary.sequence_begin, sequence + 1);
  changes_follow();
  boundary.at = now;
  boundary.use = use;
  sum_memory(boundary.memory);
  const MappingTotals& mappings = header().mappings;
  boundary.mappings = {load(mappings.maps),
                       load(mappings.mapped_bytes),
                       load(mappings.unmaps),
                       load(mappings.unmapped_bytes),
                       load(mappings.remaps),
                       load(mappings.failed),
                       load(mappings.discarded_bytes),
                       load(mappings.break_bytes)};
  boundary.peak_live_bytes = peak_live();
  sum_calls(boundary);
  sum_in_flight(boundary, now);
  boundary.calls_used = places_used_;
  sum_targets(boundary);
  write_kernel_boundary(sequence, place);
  if (trail != nullptr) [[unlikely]] {
    write_trail(sequence, place);
  }
  __atomic_store_n(&boundary.sequence_end, sequence + 1, __ATOMIC_RELEASE);
  __atomic_store_n(&header().boundary_sequence, sequence + 1, __ATOMIC_RELEASE);
  __atomic_clear(&boundary_busy_, __ATOMIC_RELEASE);
}

}  // namespace lamprey::recording
