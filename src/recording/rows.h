// An array of which most rows are zero, as counters of calls and targets are: a row takes memory
// only once it is written. Nothing that knows what is counted may live here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace lamprey::recording {

// `Row{}` is what a row that was never written reads as. Writing to a new row moves the others.
template <class Row, std::size_t kCount>
class Rows {
 public:
  const Row& operator[](std::size_t index) const {
    static constexpr Row kZero{};
    return place_[index] == 0 ? kZero : rows_[place_[index] - 1U];
  }
  Row& operator[](std::size_t index) {
    if (place_[index] == 0) {
      rows_.emplace_back();
      place_[index] = static_cast<std::uint16_t>(rows_.size());
    }
    return rows_[place_[index] - 1U];
  }
  // Makes room for `rows` rows, where their number is known.
  void reserve(std::size_t rows) { rows_.reserve(rows); }

 private:
  static_assert(kCount < UINT16_MAX);

  std::array<std::uint16_t, kCount> place_{};  // in rows_, + 1; 0: not there
  std::vector<Row> rows_;
};

}  // namespace lamprey::recording
