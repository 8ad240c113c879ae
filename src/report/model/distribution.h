// How often a figure had which value, in room that does not grow with how often it was told: equal
// parts of each doubling, whose members are kept as a count and a sum. Knows no figure by name.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace lamprey::report {

// Values that share a step differ by 6 % at most: there are 16 steps to each doubling.
std::uint32_t step_of(std::uint64_t value);
// The least value above all those of a step.
std::uint64_t end_of_step(std::uint32_t step);

struct Distribution {
  // Embedded Metric Format takes a hundred values, two of which are the least and the most.
  static constexpr std::size_t kMaxBuckets = 98;
  struct Bucket {
    std::uint64_t step = 0;
    std::uint64_t count = 0;
    std::uint64_t sum = 0;
  };
  struct Value {
    std::uint64_t value = 0;
    std::uint64_t count = 0;
  };

  std::uint64_t count = 0;
  std::uint64_t sum = 0;
  std::uint64_t min = 0;
  std::uint64_t max = 0;
  std::uint64_t coarse = 0;                       // a bucket is 2^coarse steps
  std::uint64_t used = 0;                         // of the buckets
  std::array<Bucket, kMaxBuckets + 1> buckets{};  // by step; the last one is for a moment only

  void add(std::uint64_t value);
  // Ascending and different: the least, the most, and of each bucket the mean of the others. Values
  // times counts give the sum, but for the rounding of the means.
  std::vector<Value> values() const;

 private:
  void coarsen();
};

}  // namespace lamprey::report
