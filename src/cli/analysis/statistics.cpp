// Tests and intervals; see the header.
#include "cli/analysis/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace lamprey::cli {
namespace {

constexpr std::size_t kDraws = 1000;

// Random enough for drawing samples, and the same everywhere (SplitMix64).
class Draws {
 public:
  std::size_t below(std::size_t count) {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9U;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBU;
    return static_cast<std::size_t>((mixed ^ (mixed >> 31U)) % count);
  }

 private:
  std::uint64_t state_ = 1;
};

template <class Middle>
std::vector<double> of_blocks(const std::vector<double>& values, const Middle& middle) {
  const std::size_t blocks = std::min(kMaxBlocks, values.size() / 2);
  std::vector<double> middles;
  for (std::size_t i = 0; i < blocks; ++i) {
    const auto at = [&](std::size_t block) {
      return values.begin() + static_cast<std::ptrdiff_t>(values.size() * block / blocks);
    };
    middles.push_back(middle({at(i), at(i + 1)}));
  }
  return middles;
}

double log_choose(double of, double some) {
  return std::lgamma(of + 1) - std::lgamma(some + 1) - std::lgamma(of - some + 1);
}

double drawn_median(const std::vector<double>& values, std::vector<double>& room, Draws& draws) {
  room.clear();
  for (std::size_t i = 0; i < values.size(); ++i) {
    room.push_back(values[draws.below(values.size())]);
  }
  return median(room);
}

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) {
    return 0;
  }
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) {
    return *middle;
  }
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

std::vector<double> block_medians(const std::vector<double>& values) {
  return of_blocks(values, median);
}

std::vector<double> block_means(const std::vector<double>& values) {
  return of_blocks(values, [](const std::vector<double>& block) {
    return std::accumulate(block.begin(), block.end(), 0.0) / static_cast<double>(block.size());
  });
}

double probability_of_greater(const std::vector<double>& less, const std::vector<double>& greater) {
  struct Entry {
    double value;
    bool is_greater;
  };
  std::vector<Entry> all;
  all.reserve(less.size() + greater.size());
  for (const double value : less) {
    all.push_back({value, false});
  }
  for (const double value : greater) {
    all.push_back({value, true});
  }
  std::sort(all.begin(), all.end(),
            [](const Entry& a, const Entry& b) { return a.value < b.value; });
  const auto count = static_cast<double>(all.size());
  double ranks = 0;
  double ties = 0;
  for (std::size_t i = 0; i < all.size();) {
    std::size_t end = i;
    std::size_t of_greater = 0;
    for (; end < all.size() && all[end].value == all[i].value; ++end) {
      of_greater += all[end].is_greater ? 1 : 0;
    }
    const auto same = static_cast<double>(end - i);
    ranks += static_cast<double>(of_greater) * (static_cast<double>(i + end + 1) / 2);
    ties += same * ((same * same) - 1);
    i = end;
  }
  const auto m = static_cast<double>(less.size());
  const auto n = static_cast<double>(greater.size());
  const double u = ranks - (n * (n + 1) / 2);
  const double variance = m * n / 12 * (count + 1 - (ties / (count * (count - 1))));
  if (!(variance > 0)) {
    return 1;
  }
  const double z = (u - (m * n / 2) - 0.5) / std::sqrt(variance);
  return std::erfc(z / std::sqrt(2.0)) / 2;
}

double probability_of_shares(std::uint64_t a, std::uint64_t all_a, std::uint64_t b,
                             std::uint64_t all_b) {
  const auto hits = static_cast<double>(a + b);
  const auto first = static_cast<double>(all_a);
  const auto second = static_cast<double>(all_b);
  if (all_a == 0 || all_b == 0) {
    return 1;
  }
  const double whole = log_choose(first + second, hits);
  const auto log_probability = [&](double x) {
    return log_choose(first, x) + log_choose(second, hits - x) - whole;
  };
  const double seen = log_probability(static_cast<double>(a));
  double sum = 0;
  const std::uint64_t all_hits = a + b;
  const std::uint64_t last = std::min(all_hits, all_a);
  for (std::uint64_t x = all_hits - std::min(all_hits, all_b); x <= last; ++x) {
    const double one = log_probability(static_cast<double>(x));
    sum += one <= seen + 1e-7 ? std::exp(one) : 0;
  }
  return std::min(sum, 1.0);
}

Interval median_difference(const std::vector<double>& before, const std::vector<double>& after) {
  if (before.empty() || after.empty()) {
    return {};
  }
  Draws draws;
  std::vector<double> room;
  std::vector<double> differences;
  for (std::size_t i = 0; i < kDraws; ++i) {
    const double from = drawn_median(before, room, draws);
    differences.push_back(drawn_median(after, room, draws) - from);
  }
  std::sort(differences.begin(), differences.end());
  return {differences[kDraws * 25 / 1000], differences[(kDraws * 975 / 1000) - 1]};
}

std::vector<bool> rejected(const std::vector<double>& probabilities, double rate) {
  std::vector<std::size_t> order(probabilities.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](std::size_t x, std::size_t y) { return probabilities[x] < probabilities[y]; });
  std::vector<bool> given_up(probabilities.size(), false);
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (probabilities[order[i]] > rate / static_cast<double>(order.size() - i)) {
      break;
    }
    given_up[order[i]] = true;
  }
  return given_up;
}

}  // namespace lamprey::cli
