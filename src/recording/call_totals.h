// What is counted of one kind of call: how often, how it went, how long it took. Part of the
// contract of layout.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamprey::recording {

// Latency histogram: log2-linear, 4 buckets an octave. Bucket 0 is everything below 2^4 ticks;
// bucket b covers [2^(4+b/4) * (1+(b%4)/4), next): the geometric middle is off by at most 11.8 %.
inline constexpr std::uint32_t kFirstOctave = 4;
inline constexpr std::uint32_t kBucketsPerOctave = 4;
inline constexpr std::uint32_t kBuckets = 160;  // up to 2^44 ticks: 97 minutes at 3 GHz

// Which bucket a duration falls in. Pure arithmetic, shared by both sides so they cannot differ.
constexpr std::uint32_t bucket_of(std::uint64_t ticks) {
  if (ticks < (1U << kFirstOctave)) {
    return 0;
  }
  // The top three bits (4 to 7) give the quarter of the octave; their position gives the octave.
  const auto shift = static_cast<std::uint32_t>(61 - __builtin_clzll(ticks));
  const auto leading = static_cast<std::uint32_t>(ticks >> shift);
  const std::uint32_t bucket =
      (shift * kBucketsPerOctave) + leading - ((kFirstOctave - 1) * kBucketsPerOctave);
  return bucket < kBuckets ? bucket : kBuckets - 1;
}

// The smallest duration of a bucket, in ticks (bucket 0 starts at 0).
constexpr std::uint64_t bucket_floor(std::uint32_t bucket) {
  if (bucket == 0) {
    return 0;
  }
  const std::uint32_t octave = kFirstOctave + (bucket / kBucketsPerOctave);
  return (std::uint64_t{1} << octave) + (std::uint64_t{bucket % kBucketsPerOctave} << (octave - 2));
}

struct CallTotals {
  std::uint64_t calls;
  std::uint64_t errors;
  std::uint64_t bytes;  // moved by successful transfers
  std::uint64_t ticks;  // without time in which no invocation ran; boundaries add calls in flight
  std::uint64_t max_ticks;          // longest since the previous boundary
  std::uint32_t buckets[kBuckets];  // wraps at 2^32: compare modulo
};

// Adds one part of a call's totals to another; numbers wrap.
constexpr void add(CallTotals& sum, const CallTotals& part) {
  sum.calls += part.calls;
  sum.errors += part.errors;
  sum.bytes += part.bytes;
  sum.ticks += part.ticks;
  sum.max_ticks = part.max_ticks > sum.max_ticks ? part.max_ticks : sum.max_ticks;
  for (std::uint32_t bucket = 0; bucket < kBuckets; ++bucket) {
    sum.buckets[bucket] += part.buckets[bucket];
  }
}

}  // namespace lamprey::recording
