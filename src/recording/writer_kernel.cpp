// Exact mode: what its gate counts with, and what a boundary takes of that. This file is compiled
// so that it uses general registers only (preload/library.cmake): the gate stands in the middle of
// libc's code, which keeps what it likes in the others across a system call.
#include "recording/writer.h"

namespace lamprey::recording {
namespace {

// The row of `number`, handed out when it is first asked for; nullptr when none is left. Two
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

void Writer::write_kernel_boundary(std::uint64_t sequence, std::uint64_t place) const {
  Kernel* kernel = this->kernel();
  if (kernel == nullptr) {
    return;
  }
  KernelBoundary& boundary = kernel->boundaries[place % kKernelBoundaries];
  store(boundary.sequence_end, 0);
  store(boundary.sequence_begin, sequence + 1);
  changes_follow();
  const std::uint32_t used = load(kernel->rows_used);
  boundary.rows_used = used < kKernelRows ? used : kKernelRows;
  for (std::uint32_t i = 0; i < boundary.rows_used; ++i) {
    KernelRow& row = kernel->rows[i];
    KernelRow& into = boundary.rows[i];
    into.number = load(row.number);
    into.totals.calls = load(row.totals.calls);
    into.totals.errors = load(row.totals.errors);
    into.totals.bytes = load(row.totals.bytes);
    into.totals.ticks = load(row.totals.ticks);
    into.totals.max_ticks = __atomic_exchange_n(&row.totals.max_ticks, 0, __ATOMIC_RELAXED);
    for (std::uint32_t b = 0; b < kBuckets; ++b) {
      into.totals.buckets[b] = load(row.totals.buckets[b]);
    }
  }
  __atomic_store_n(&boundary.sequence_end, sequence + 1, __ATOMIC_RELEASE);
}

}  // namespace lamprey::recording
