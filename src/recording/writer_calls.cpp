// What is counted of calls: their rows and errors, and what a boundary takes of both.
#include "recording/writer.h"

namespace lamprey::recording {

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

// Probes from a place that the key chooses. When all are taken, only the row's `errors` has the
// failure.
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

// A call gets its place when it is first made and keeps it: unused places are never touched.
CallTotals& Writer::totals_in(Boundary& boundary, std::uint32_t call) {
  if (place_of_[call] == 0) {
    place_of_[call] = static_cast<std::uint16_t>(++places_used_);
    boundary.calls[places_used_ - 1] = {};
  }
  BoundaryCall& place = boundary.calls[place_of_[call] - 1U];
  place.call = call;
  return place.totals;
}

void Writer::sum_calls(Boundary& boundary) {
  for (std::uint32_t place = 0; place < places_used_; ++place) {
    boundary.calls[place] = {};
  }
  std::uint32_t used = load(header().rows_used);
  used = used < kCallRows ? used : kCallRows;
  for (std::uint32_t i = 0; i < used; ++i) {
    CallRow& row = row_at(i);
    const std::uint32_t call = i < kCallCount ? i : row.call;
    if (load(row.totals.calls) == 0 || call >= kCallCount) {
      continue;
    }
    CallTotals& into = totals_in(boundary, call);
    into.calls += load(row.totals.calls);
    into.errors += load(row.totals.errors);
    into.bytes += load(row.totals.bytes);
    into.ticks += load(row.totals.ticks);
    const std::uint64_t max = load(row.totals.max_ticks);
    into.max_ticks = max > into.max_ticks ? max : into.max_ticks;
    store(row.totals.max_ticks, 0);  // the maximum is an invocation's own
    for (std::uint32_t b = 0; b < kBuckets; ++b) {
      into.buckets[b] += row.totals.buckets[b];
    }
  }
}

// A call that is still in flight has taken time, and none of it is in its row yet. Adding it here
// gives each invocation the part that fell into it: when the call returns, its whole time enters
// the row and this part drops out of the next boundary.
void Writer::sum_in_flight(Boundary& boundary, ClockPair now) {
  const std::uint32_t used = slots_used();
  for (std::uint32_t i = 1; i < used; ++i) {
    const InFlight& flight = slot_at(i).in_flight;
    const std::uint32_t call = load(flight.call);
    if (call != 0 && call <= kCallCount) {
      totals_in(boundary, call - 1).ticks += busy_between(load(flight.started), now.ticks);
    }
  }
}

}  // namespace lamprey::recording
