// What exact mode's gate counts with, and what decides how much of a call's time was idle. This
// file is compiled so that it uses general registers only (preload/library.cmake): the gate stands
// in the middle of libc's code, which keeps what it likes in the others across a system call.
#include "recording/writer.h"

namespace lamprey::recording {
namespace {

// The row of `number`, handed out when it is first asked for; nullptr when there is no more. Two
// threads that ask at one instant may take two: one of them stays empty.
KernelRow* row_for(Kernel& kernel, std::uint32_t number) {
  std::uint16_t row = load(kernel.row_of[number]);
  if (row == 0) [[unlikely]] {
    if (load(kernel.rows_used) >= kKernelRows) {
      return nullptr;
    }
    const std::uint32_t fresh = __atomic_fetch_add(&kernel.rows_used, 1U, __ATOMIC_RELAXED);
    if (fresh >= kKernelRows) {
      return nullptr;
    }
    store(kernel.rows[fresh].number, number + 1);
    const auto mine = static_cast<std::uint16_t>(fresh + 1);
    row = exchange_if(kernel.row_of[number], std::uint16_t{0}, mine) ? mine
                                                                     : load(kernel.row_of[number]);
  }
  return &kernel.rows[row - 1U];
}

}  // namespace

void Writer::count_kernel(std::uint32_t number, std::uint64_t ticks, bool failed,
                          std::uint64_t bytes) {
  Kernel* kernel = this->kernel();
  if (kernel == nullptr || number >= kKernelNumbers) {
    return;
  }
  KernelRow* row = row_for(*kernel, number);
  if (row == nullptr) {
    shared_add(kernel->uncounted, 1);
    return;
  }
  CallTotals& totals = row->totals;
  shared_add(totals.calls, 1);
  shared_add(totals.ticks, ticks);
  shared_add(totals.buckets[bucket_of(ticks)], 1);
  if (failed) {
    shared_add(totals.errors, 1);
  } else if (bytes != 0) {
    shared_add(totals.bytes, bytes);
  }
  if (ticks > load(totals.max_ticks)) {
    raise_to(totals.max_ticks, ticks);
  }
}

// One place of the ring is left out: the next interval may be about to be written there.
std::uint64_t Writer::idle_between(std::uint64_t from, std::uint64_t to) const {
  std::uint64_t idle = 0;
  const std::uint64_t newest =
      idle_interval_of(__atomic_load_n(&header().activity, __ATOMIC_ACQUIRE));
  for (std::uint64_t back = 0; back < newest && back < kIdleIntervals - 1; ++back) {
    const Interval& interval = idle_[(newest - back) % kIdleIntervals];
    const std::uint64_t begin = load(interval.begin);
    const std::uint64_t end = load(interval.end);
    if (end != 0 && end <= from) {
      break;
    }
    const std::uint64_t low = begin > from ? begin : from;
    const std::uint64_t high = end != 0 && end < to ? end : to;
    idle += high > low ? high - low : 0;
  }
  const std::uint64_t all = to > from ? to - from : 0;
  return idle < all ? idle : all;
}

}  // namespace lamprey::recording
