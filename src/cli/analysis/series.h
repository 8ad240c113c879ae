// One figure over many records in bounded room: exact while they are few, and then in steps of less
// than one percent. Knows no records.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace lamprey::cli {

class Series {
 public:
  // So many values are kept as they are.
  static constexpr std::size_t kExact = 4096;

  void add(std::uint64_t value);
  // As if what `later` was given had been added now.
  void append(const Series& later);

  bool empty() const { return count_ == 0; }
  std::uint64_t count() const { return count_; }
  std::uint64_t newest() const { return newest_; }
  double sum() const { return sum_; }
  // The smallest value that at least `percent` of them do not exceed; nothing of no values. 0 and
  // 100 are exact.
  std::optional<std::uint64_t> percentile(double percent) const;
  // The values in their order, thinned to some hundreds: each is the greatest of those that it
  // stands for, so that no peak is lost.
  std::vector<std::uint64_t> trend() const;

 private:
  void put_into_step(std::uint32_t step, std::uint64_t times);
  void spread();
  void thin();
  void add_point(std::uint64_t value, std::uint64_t stands_for);

  std::uint64_t count_ = 0;
  std::uint64_t newest_ = 0;
  std::uint64_t least_ = UINT64_MAX;
  std::uint64_t most_ = 0;
  double sum_ = 0;
  std::vector<std::uint64_t> exact_;
  std::vector<std::uint64_t> steps_;  // how many values; empty while all are exact
  std::uint32_t first_step_ = 0;      // the one that steps_[0] counts
  std::vector<std::uint64_t> points_;
  std::uint64_t stride_ = 1;    // values that a point stands for
  std::uint64_t in_point_ = 0;  // of the last one
};

}  // namespace lamprey::cli
