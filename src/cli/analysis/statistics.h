// How sure a difference is: tests and intervals that assume nothing of the distribution. Knows no
// records. docs/comparing.md explains the choices to users.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace lamprey::cli {

double median(std::vector<double> values);

// Values that follow one another resemble each other (a busy neighbour, a growing heap), so tests
// are made on medians of blocks of them, not on single values: kMaxBlocks at most.
inline constexpr std::size_t kMaxBlocks = 20;
std::vector<double> block_medians(const std::vector<double>& values);
// For values of which most may be 0, as samples are.
std::vector<double> block_means(const std::vector<double>& values);

// Mann and Whitney's test, one-sided: how likely `greater` is as much greater than `less` as it is,
// if both were of one kind. Normal approximation, corrected for ties and continuity.
double probability_of_greater(const std::vector<double>& less, const std::vector<double>& greater);

// Fisher's exact test, two-sided, of `a` in `all_a` against `b` in `all_b`.
double probability_of_shares(std::uint64_t a, std::uint64_t all_a, std::uint64_t b,
                             std::uint64_t all_b);

struct Interval {
  double low = 0;
  double high = 0;
};

// 95 % of the differences of the medians of samples drawn again from both (bootstrap); the same on
// each call.
Interval median_difference(const std::vector<double>& before, const std::vector<double>& after);

// Which of the hypotheses with these probabilities may be given up so that all together are wrong
// with at most `rate` (Holm's method).
std::vector<bool> rejected(const std::vector<double>& probabilities, double rate);

}  // namespace lamprey::cli
