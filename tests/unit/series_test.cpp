// Percentiles in bounded room: exact while values are few, near enough afterwards.
#include "cli/analysis/series.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace lamprey::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::Le;

std::vector<std::uint64_t> some(std::size_t count) {
  std::mt19937_64 random(7);
  std::vector<std::uint64_t> values(count);
  for (std::uint64_t& value : values) {
    value = static_cast<std::uint64_t>(std::exp(static_cast<double>(random() % 3000) / 100));
  }
  return values;
}

Series of(const std::vector<std::uint64_t>& values) {
  Series series;
  for (const std::uint64_t value : values) {
    series.add(value);
  }
  return series;
}

std::uint64_t truth(std::vector<std::uint64_t> values, double percent) {
  std::sort(values.begin(), values.end());
  const auto rank =
      static_cast<std::size_t>(std::ceil(static_cast<double>(values.size()) * percent / 100));
  return values[std::max<std::size_t>(rank, 1) - 1];
}

TEST(SeriesTest, FewAreExact) {
  const auto values = some(Series::kExact);
  const Series series = of(values);
  for (const double percent : {0.0, 1.0, 50.0, 99.0, 99.9, 100.0}) {
    EXPECT_EQ(series.percentile(percent), truth(values, percent)) << percent;
  }
  EXPECT_EQ(Series().percentile(50), std::nullopt);
}

TEST(SeriesTest, ManyAreWithinOnePercent) {
  const auto values = some(100'000);
  const Series series = of(values);
  for (const double percent : {1.0, 10.0, 50.0, 90.0, 99.0}) {
    const auto exact = static_cast<double>(truth(values, percent));
    EXPECT_NEAR(static_cast<double>(*series.percentile(percent)), exact, exact * 0.01) << percent;
  }
  EXPECT_EQ(series.percentile(100), *std::max_element(values.begin(), values.end()));
  EXPECT_EQ(series.newest(), values.back());
}

TEST(SeriesTest, PartsAreTheWhole) {
  const auto values = some(20'000);
  const Series whole = of(values);
  Series joined;
  for (std::size_t at = 0; at < values.size(); at += 1000) {
    joined.append(of({values.begin() + static_cast<std::ptrdiff_t>(at),
                      values.begin() + static_cast<std::ptrdiff_t>(at + 1000)}));
  }
  for (const double percent : {0.0, 25.0, 50.0, 75.0, 99.0, 100.0}) {
    EXPECT_EQ(joined.percentile(percent), whole.percentile(percent));
  }
  EXPECT_EQ(joined.count(), whole.count());
  EXPECT_EQ(joined.newest(), whole.newest());
}

TEST(SeriesTest, TheTrendKeepsOrderAndPeaks) {
  Series series;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    series.add(i == 70'000 ? 1'000'000 : i);
  }
  const auto points = series.trend();
  EXPECT_THAT(points.size(), Le(600U));
  const auto peak = std::max_element(points.begin(), points.end());
  EXPECT_EQ(*peak, 1'000'000U);
  EXPECT_NEAR(static_cast<double>(peak - points.begin()) / static_cast<double>(points.size()), 0.7,
              0.02);
  EXPECT_TRUE(std::is_sorted(points.begin(), peak));
  EXPECT_THAT(of({3, 1, 2}).trend(), ElementsAre(3, 1, 2));
}

}  // namespace
}  // namespace lamprey::cli
