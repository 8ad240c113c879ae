// The arithmetic of sampling against libm, and the estimator against exact sums over many seeds.
#include "preload/memory/sampling_math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "preload/memory/live_set.h"

namespace lamprey::preload::memory {
namespace {

TEST(SamplingMath, LogarithmAgreesWithTheLibrarys) {
  for (int power = -110; power < 110; ++power) {
    const double value = std::pow(1.37, power);
    EXPECT_NEAR(sampling::natural_logarithm(value), std::log(value),
                1e-12 * std::max(1.0, std::abs(std::log(value))));
  }
}

TEST(SamplingMath, ChanceAgreesWithTheLibrarysAlsoWhereItIsTiny) {
  for (int power = -100; power < 15; ++power) {
    const double x = std::pow(1.31, power);
    EXPECT_NEAR(sampling::chance_within(x) / -std::expm1(-x), 1, 1e-12) << x;
  }
  EXPECT_EQ(sampling::chance_within(0), 0);
}

TEST(SamplingMath, DistancesAreExponential) {
  constexpr std::uint64_t kMean = 65536;
  constexpr int kCount = 200000;
  std::uint64_t state = sampling::seed_from(1);
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < kCount; ++i) {
    const auto distance = static_cast<double>(sampling::next_distance(state, kMean));
    sum += distance;
    squares += distance * distance;
  }
  const double mean = sum / kCount;
  const double deviation = std::sqrt((squares / kCount) - (mean * mean));
  EXPECT_NEAR(mean / kMean, 1, 3 / std::sqrt(kCount));
  EXPECT_NEAR(deviation / kMean, 1, 6 / std::sqrt(kCount));
}

// One run of the sampler over a fixed list of sizes: what it would say was allocated.
double estimate(const std::vector<std::uint64_t>& sizes, std::uint64_t mean, std::uint64_t seed) {
  std::uint64_t state = sampling::seed_from(seed);
  std::uint64_t measured = 0;
  std::uint64_t mark = sampling::next_distance(state, mean);
  double bytes = 0;
  for (const std::uint64_t size : sizes) {
    measured += size + 1;
    if (measured >= mark) {
      bytes += static_cast<double>(sampling::weighted(size, sampling::weight_of(size + 1, mean)));
      mark = measured + sampling::next_distance(state, mean);
    }
  }
  return bytes;
}

TEST(SamplingMath, EstimatesAreUnbiasedWithinThreeSigmaOverManySeeds) {
  constexpr std::uint64_t kMean = 4096;
  constexpr int kSeeds = 2000;
  std::vector<std::uint64_t> sizes;  // a pattern with which a fixed step would fall into step
  for (int i = 0; i < 300; ++i) {
    for (const std::uint64_t size : {16U, 1000U, 4095U, 0U, 70000U, 64U, 64U, 8000U}) {
      sizes.push_back(size);
    }
  }
  double exact = 0;
  double variance = 0;
  for (const std::uint64_t size : sizes) {
    const auto bytes = static_cast<double>(size);
    const double p = -std::expm1(-(bytes + 1) / kMean);
    exact += bytes;
    variance += bytes * bytes * (1 - p) / p;
  }
  double sum = 0;
  double squares = 0;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    const double z =
        (estimate(sizes, kMean, static_cast<std::uint64_t>(seed)) - exact) / std::sqrt(variance);
    sum += z;
    squares += z * z;
  }
  EXPECT_LT(std::abs(sum / kSeeds), 3 / std::sqrt(kSeeds));
  EXPECT_NEAR(squares / kSeeds, 1, 3 * std::sqrt(2.0 / kSeeds));
}

TEST(LiveSet, GivesBackWhatWasPutInAndKnowsWhenItIsFull) {
  const auto block = [](std::uintptr_t i) { return reinterpret_cast<void*>(0x10000 + (i * 64)); };
  std::uintptr_t placed = 0;
  std::vector<bool> in(std::size_t{2} * live_set::kEntries);
  for (std::uintptr_t i = 0; i < in.size(); ++i) {
    in[i] = live_set::put(block(i), {i, static_cast<std::uint32_t>(i), 7});
    placed += in[i] ? 1 : 0;
  }
  EXPECT_EQ(placed, live_set::kEntries);
  for (std::uintptr_t i = 0; i < in.size(); ++i) {
    live_set::Sampled sampled{};
    EXPECT_EQ(live_set::take(block(i), sampled), in[i]);
    EXPECT_TRUE(!in[i] || (sampled.live_bytes == i && sampled.stack == i && sampled.round == 7));
  }
  for (std::uintptr_t i = 0; i < in.size(); ++i) {
    EXPECT_FALSE(live_set::may_hold(block(i)));
  }
}

}  // namespace
}  // namespace lamprey::preload::memory
