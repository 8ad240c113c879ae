// One figure on both sides of a comparison, and what is said of it. Decides nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cli/analysis/statistics.h"

namespace lamprey::cli {

// Values in their order, in bounded room: of more than kMax, every second, fourth, ... is kept.
class Kept {
 public:
  static constexpr std::size_t kMax = 20'000;
  void add(double value);
  const std::vector<double>& values() const { return values_; }
  double least() const { return least_; }  // of all that were added
  std::uint64_t seen() const { return seen_; }

 private:
  std::vector<double> values_;
  double least_ = 0;
  std::uint64_t seen_ = 0;
  std::uint64_t stride_ = 1;
};

// How a figure is written.
enum class Unit : std::uint8_t { kTime, kBytes, kCount };

enum class Verdict : std::uint8_t { kSame, kCannotTell, kBetter, kWorse };

struct Change {
  std::string name;
  Unit unit = Unit::kCount;
  double before = 0;  // medians
  double after = 0;
  Interval difference;  // of the medians, 95 %
  std::uint64_t values_before = 0;
  std::uint64_t values_after = 0;
  Verdict verdict = Verdict::kCannotTell;
};

// A change and how likely it is by chance; probability 2: not enough lines to say.
struct Tested {
  Change change;
  double greater = 2;
  double less = 2;
  bool narrow = false;  // the interval leaves no room for a change that counts
};

}  // namespace lamprey::cli
