// See the header.
#include "report/findings/levels.h"

#include <algorithm>
#include <cmath>

namespace lamprey::report {
namespace {

constexpr std::size_t kBlocks = 8;
constexpr std::size_t kSteps = kBlocks - 1;
constexpr std::size_t kLeast = 6 * kBlocks;  // levels
constexpr double kSteady = 5.0;              // t of the mean step, 6 degrees of freedom
constexpr double kOnALine = 8.0;             // t of the slope, 6 degrees of freedom

using Means = std::array<double, kBlocks>;

// The newest levels, as many as make eight blocks of equal width.
struct Window {
  explicit Window(const Levels& levels)
      : width(levels.size() / kBlocks), first(levels.size() - (width * kBlocks)) {}
  std::size_t width;
  std::size_t first;
};

Means block_means(const Levels& levels, const Window& window) {
  Means means{};
  for (std::size_t block = 0; block < kBlocks; ++block) {
    for (std::size_t i = 0; i < window.width; ++i) {
      means[block] += static_cast<double>(levels.at(window.first + (block * window.width) + i));
    }
    means[block] /= static_cast<double>(window.width);
  }
  return means;
}

double mean_of(const Means& means) {
  double sum = 0;
  for (const double mean : means) {
    sum += mean;
  }
  return sum / static_cast<double>(kBlocks);
}

// Whether the lowest level of each quarter lies above that of the one before.
bool floors_rise(const Levels& levels, const Window& window) {
  const std::size_t quarter = 2 * window.width;
  const std::size_t end = window.first + (kBlocks * window.width);
  std::int64_t below = INT64_MIN;
  for (std::size_t at = window.first; at + quarter <= end; at += quarter) {
    std::int64_t lowest = INT64_MAX;
    for (std::size_t i = 0; i < quarter; ++i) {
      lowest = std::min(lowest, levels.at(at + i));
    }
    if (lowest <= below) {
      return false;
    }
    below = lowest;
  }
  return true;
}

bool stays(const Levels& levels, const Window& window, const Means& means) {
  return floors_rise(levels, window) &&
         means[kSteps] > static_cast<double>(levels.highest_before());
}

Growth growth_of(double each, double estimate, double error) {
  // Without any spread t would be infinite.
  const double t = std::min(estimate / std::max(error, 1e-6 * estimate), 1e6);
  return {static_cast<std::int64_t>(each),
          static_cast<int>(std::min(99.0, 100 * t * t / (t * t + 6)))};
}

}  // namespace

void Levels::add(std::int64_t level) {
  if (size_ < levels_.size()) {
    levels_[(first_ + size_++) % levels_.size()] = level;
    return;
  }
  highest_before_ = std::max(highest_before_, levels_[first_]);
  levels_[first_] = level;
  first_ = (first_ + 1) % levels_.size();
}

std::optional<Growth> steady_growth(const Levels& levels) {
  if (levels.size() < kLeast) {
    return std::nullopt;
  }
  const Window window(levels);
  const Means means = block_means(levels, window);
  const double mean = (means[kSteps] - means[0]) / static_cast<double>(kSteps);
  double squares = 0;
  for (std::size_t i = 0; i < kSteps; ++i) {
    const double off = means[i + 1] - means[i] - mean;
    squares += off * off;
  }
  const double error = std::sqrt(squares / static_cast<double>((kSteps - 1) * kSteps));
  if (mean <= 0 || mean < kSteady * error || !stays(levels, window, means) ||
      means[kSteps] - means[kSteps - 2] < (means[2] - means[0]) / 2) {
    return std::nullopt;
  }
  return growth_of(mean / static_cast<double>(window.width), mean, error);
}

std::optional<Growth> steady_growth(const Levels& levels, const Levels& invocations) {
  if (levels.size() < kLeast || levels.size() > invocations.size()) {
    return std::nullopt;
  }
  const Window window(levels);
  const Means ys = block_means(levels, window);
  Window same = window;
  same.first += invocations.size() - levels.size();
  const Means xs = block_means(invocations, same);
  const double x = mean_of(xs);
  const double y = mean_of(ys);
  double xx = 0;
  double xy = 0;
  for (std::size_t i = 0; i < kBlocks; ++i) {
    xx += (xs[i] - x) * (xs[i] - x);
    xy += (xs[i] - x) * (ys[i] - y);
  }
  if (xx <= 0 || xy <= 0) {
    return std::nullopt;
  }
  const double slope = xy / xx;
  double squares = 0;
  for (std::size_t i = 0; i < kBlocks; ++i) {
    const double off = ys[i] - y - (slope * (xs[i] - x));
    squares += off * off;
  }
  const double error = std::sqrt(squares / static_cast<double>(kBlocks - 2) / xx);
  const auto pace = [&](std::size_t from, std::size_t to) {
    return (ys[to] - ys[from]) / std::max(xs[to] - xs[from], 1.0);
  };
  if (slope < kOnALine * error || !stays(levels, window, ys) ||
      pace(kSteps - 2, kSteps) < pace(0, 2) / 2) {
    return std::nullopt;
  }
  return growth_of(slope, slope, error);
}

std::int64_t span_of(const Levels& invocations, std::size_t levels) {
  if (levels < 2 || levels > invocations.size()) {
    return 1;
  }
  return std::max<std::int64_t>(invocations.newest() - invocations.at(invocations.size() - levels),
                                1);
}

}  // namespace lamprey::report
