// What is notable: what must have a line of its own, and how few of the healthy ones have one.
#include "companion/notable.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

namespace lamprey::companion {
namespace {

using report::Report;

constexpr int kInvocations = 50'000;

// How many of many are slow, whose durations are drawn, in ms.
int slow_ones(const std::function<double()>& draw_ms) {
  SlowWatch watch;
  int slow = 0;
  for (int i = 0; i < kInvocations; ++i) {
    slow += watch.is_slow(static_cast<std::uint64_t>(draw_ms() * 1e6)) ? 1 : 0;
  }
  return slow;
}

TEST(SlowWatchTest, OfInvocationsOfOneKindAtMostOneInAHundred) {
  std::mt19937 random(1);
  std::normal_distribution<double> alike(20, 2);
  std::exponential_distribution<double> spread(1.0 / 50);
  std::lognormal_distribution<double> heavy(1, 1.5);
  std::uniform_real_distribution<double> even(0, 1);
  EXPECT_EQ(slow_ones([&] { return std::max(1.0, alike(random)); }), 0);
  EXPECT_LE(slow_ones([&] { return 1 + spread(random); }), kInvocations / 100);
  EXPECT_LE(slow_ones([&] { return heavy(random); }), kInvocations / 100);
  EXPECT_LE(slow_ones([&] { return even(random) < 0.97 ? 1.0 : 300.0 * even(random); }),
            kInvocations / 100);
  EXPECT_EQ(slow_ones([&] { return 0.3; }), 0);
}

TEST(SlowWatchTest, OneThatTakesThreeTimesAsLongIsSlow) {
  SlowWatch watch;
  for (int i = 0; i < 500; ++i) {
    EXPECT_FALSE(watch.is_slow(20'000'000 + static_cast<std::uint64_t>(i % 5) * 1'000'000));
  }
  EXPECT_TRUE(watch.is_slow(75'000'000));
  EXPECT_FALSE(watch.is_slow(24'000'000));
  EXPECT_FALSE(watch.is_slow(38'000'000));  // not twice as long
}

TEST(SlowWatchTest, TheFirstAreNotSlow) {
  SlowWatch watch;
  for (std::uint64_t i = 0; i < SlowWatch::kFewest; ++i) {
    EXPECT_FALSE(watch.is_slow((i + 1) * (i + 1) * 10'000'000));
  }
}

TEST(SlowWatchTest, AFunctionThatHasBecomeSlowerIsSoonMeasuredByThat) {
  SlowWatch watch;
  for (int i = 0; i < 3000; ++i) {
    watch.is_slow(10'000'000);
  }
  int slow = 0;
  for (int i = 0; i < 3000; ++i) {
    slow += watch.is_slow(50'000'000) ? 1 : 0;
  }
  EXPECT_GE(slow, 5);
  EXPECT_LE(slow, 40);
  EXPECT_TRUE(watch.is_slow(UINT64_MAX));
}

TEST(NotableTest, ColdStartsErrorsAndNewFindingsAre) {
  Notable notable;
  Report plain;
  plain.duration_ns = 1'000'000;
  EXPECT_FALSE(notable.is_notable(plain));
  Report cold = plain;
  cold.cold_start = true;
  EXPECT_TRUE(notable.is_notable(cold));
  Report failed = plain;
  failed.status = report::Status::kError;
  EXPECT_TRUE(notable.is_notable(failed));
  Report refused = plain;
  refused.error_type = "Function.ResponseSizeTooLarge";
  EXPECT_TRUE(notable.is_notable(refused));
  Report found = plain;
  found.findings.emplace_back();
  EXPECT_TRUE(notable.is_notable(found));
  found.findings[0].told = true;
  EXPECT_FALSE(notable.is_notable(found));
}

TEST(NotableTest, OfManyThatAreSlowAtOnceTheFirstAreTold) {
  Notable notable;
  Report report;
  report.duration_ns = 10'000'000;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_FALSE(notable.is_notable(report));
  }
  const auto told = [&] {
    std::uint32_t count = 0;
    for (std::uint64_t i = 0; i < 50; ++i) {
      report.duration_ns = *report.duration_ns * 3 / 2;  // slower and slower
      count += notable.is_notable(report) ? 1 : 0;
      Report plain;
      plain.duration_ns = 10'000'000;
      notable.is_notable(plain);
    }
    return count;
  };
  EXPECT_EQ(told(), Notable::kMostSlow);
  EXPECT_EQ(told(), 0U);
  notable.begin_anew();
  report.duration_ns = UINT64_MAX / 2;
  EXPECT_TRUE(notable.is_notable(report));
}

// A cold start takes long, and must not be what others are measured by.
TEST(NotableTest, ASlowOneIsAlsoAfterAColdStart) {
  Notable notable;
  Report cold;
  cold.duration_ns = 900'000'000;
  cold.cold_start = true;
  notable.is_notable(cold);
  Report plain;
  plain.duration_ns = 10'000'000;
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(notable.is_notable(plain));
  }
  plain.duration_ns = 100'000'000;
  EXPECT_TRUE(notable.is_notable(plain));
}

}  // namespace
}  // namespace lamprey::companion
