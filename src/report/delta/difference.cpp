// Differences of totals; see the header.
#include "report/delta/difference.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "report/model/counted.h"
#include "report/model/order.h"

namespace lamprey::report {
namespace {

using recording::bucket_floor;
using recording::kBuckets;

// floor(sqrt(value)) without floating point.
std::uint64_t square_root(unsigned __int128 value) {
  std::uint64_t root = 0;
  for (int bit = 63; bit >= 0; --bit) {
    const std::uint64_t candidate = root | (std::uint64_t{1} << bit);
    if (static_cast<unsigned __int128>(candidate) * candidate <= value) {
      root = candidate;
    }
  }
  return root;
}

std::uint64_t middle_of(std::uint32_t bucket) {
  if (bucket == 0) {
    return bucket_floor(1) / 2;
  }
  const auto low = static_cast<unsigned __int128>(bucket_floor(bucket));
  const auto high = static_cast<unsigned __int128>(bucket_floor(bucket + 1));
  return square_root(low * high);
}

// The duration below which `permille` of the calls stayed.
std::uint64_t percentile(const std::array<std::uint32_t, kBuckets>& buckets, std::uint64_t total,
                         std::uint64_t permille) {
  const std::uint64_t rank = std::max<std::uint64_t>(1, ((total * permille) + 999) / 1000);
  std::uint64_t seen = 0;
  for (std::uint32_t bucket = 0; bucket < kBuckets; ++bucket) {
    seen += buckets[bucket];
    if (seen >= rank) {
      return middle_of(bucket);
    }
  }
  return 0;
}

CallFigures call_between(const recording::CallTotals& before, const recording::CallTotals& after,
                         const recording::ClockScale& clock, Peaks peaks) {
  CallFigures figures;
  figures.calls = grown(after.calls, before.calls);
  figures.errors = grown(after.errors, before.errors);
  figures.bytes = grown(after.bytes, before.bytes);
  figures.total_ns = clock.duration_ns(grown(after.ticks, before.ticks));
  if (figures.calls == 0 && figures.total_ns == 0) {
    return figures;  // true of most calls in the table
  }
  std::array<std::uint32_t, kBuckets> buckets{};
  std::uint64_t counted = 0;
  for (std::uint32_t bucket = 0; bucket < kBuckets; ++bucket) {
    buckets[bucket] = after.buckets[bucket] - before.buckets[bucket];
    counted += buckets[bucket];
  }
  if (counted != 0) {
    const bool known = peaks == Peaks::kOfSpan && after.max_ticks != 0;
    const std::uint64_t most = known ? after.max_ticks : UINT64_MAX;
    if (known) {
      figures.max_ns = clock.duration_ns(after.max_ticks);
    }
    figures.p50_ns = clock.duration_ns(std::min(percentile(buckets, counted, 500), most));
    figures.p99_ns = clock.duration_ns(std::min(percentile(buckets, counted, 990), most));
  }
  return figures;
}

}  // namespace

MemoryFigures memory_between(const recording::Totals& before, const recording::Totals& after,
                             Peaks peaks) {
  const recording::MemoryTotals& a = before.memory;
  const recording::MemoryTotals& b = after.memory;
  MemoryFigures figures;
  figures.allocations = grown(b.allocations, a.allocations);
  figures.frees = grown(b.frees, a.frees);
  figures.reallocations = grown(b.reallocations, a.reallocations);
  figures.allocated_bytes = grown(b.allocated_bytes, a.allocated_bytes);
  figures.freed_bytes = grown(b.freed_bytes, a.freed_bytes);
  figures.failed = grown(b.failed, a.failed);
  figures.maps = grown(after.mappings.maps, before.mappings.maps);
  figures.map_bytes = grown(after.mappings.mapped_bytes, before.mappings.mapped_bytes);
  figures.unmap_bytes = grown(after.mappings.unmapped_bytes, before.mappings.unmapped_bytes);
  figures.discard_bytes = grown(after.mappings.discarded_bytes, before.mappings.discarded_bytes);
  figures.live_bytes = b.live_bytes;
  figures.live_delta_bytes = difference(b.live_bytes, a.live_bytes);
  if (peaks == Peaks::kOfSpan) {
    figures.peak_live_bytes = std::max(after.peak_live_bytes, b.live_bytes);
  }
  return figures;
}

CallsFigures calls_between(const recording::Totals& before, const recording::Totals& after,
                           const recording::ClockScale& clock, Peaks peaks) {
  CallsFigures figures;
  for (std::uint32_t index = 0; index < recording::kCallCount; ++index) {
    CallFigures call = call_between(before.calls[index], after.calls[index], clock, peaks);
    if (call.calls == 0 && call.total_ns == 0) {
      continue;
    }
    call.call = static_cast<recording::Call>(index);
    figures.total += call.calls;
    figures.errors += call.errors;
    figures.time_ns += call.total_ns;
    figures.by_time.push_back(call);
  }
  put_in_order(figures.by_time,
               [](const CallFigures& a, const CallFigures& b) { return a.total_ns > b.total_ns; });
  return figures;
}

std::optional<KernelFigures> kernel_between(const recording::Totals& before,
                                            const recording::Totals& after,
                                            const recording::ClockScale& clock, Peaks peaks,
                                            bool arm64) {
  const bool from_attach = before.at.mono_ns == 0;  // all counters were 0 then
  if (!after.kernel_known || (!before.kernel_known && !from_attach)) {
    return std::nullopt;
  }
  KernelFigures figures;
  for (std::uint32_t number = 0; number < recording::kKernelNumbers; ++number) {
    const CallFigures call =
        call_between(before.kernel[number], after.kernel[number], clock, peaks);
    if (call.calls == 0) {
      continue;
    }
    figures.total += call.calls;
    figures.errors += call.errors;
    figures.time_ns += call.total_ns;
    figures.by_time.push_back({recording::kernel_call_name(arm64, number), call});
  }
  put_in_order(figures.by_time, [](const KernelCall& a, const KernelCall& b) {
    return a.figures.total_ns > b.figures.total_ns;
  });
  return figures;
}

}  // namespace lamprey::report
