// Sorts rows of any type, by one sort of their indices: std::sort and std::stable_sort add 3 to 9
// KB to the companion for each type they are used with. Nothing that knows a type of row may live
// here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace lamprey::recording {

// Whether row `a` goes before row `b`; `rows` and `rule` are what the caller passed.
using GoesBefore = bool (*)(const void* rows, const void* rule, std::uint32_t a, std::uint32_t b);

// The indices from..count-1. The first `most` are in order, ties by index; the others follow, in no
// order.
std::vector<std::uint32_t> order_of(std::size_t from, std::size_t count, std::size_t most,
                                    GoesBefore goes_before, const void* rows, const void* rule);

// Puts the first `most` of rows[from..] in order, and the others behind them.
template <class Row, class Before>
void put_first(std::vector<Row>& rows, std::size_t from, std::size_t most, const Before& before) {
  const GoesBefore goes_before = [](const void* all, const void* rule, std::uint32_t a,
                                    std::uint32_t b) {
    const Row* row = static_cast<const Row*>(all);
    return (*static_cast<const Before*>(rule))(row[a], row[b]);
  };
  std::vector<Row> sorted;
  sorted.reserve(rows.size() - from);
  for (const std::uint32_t number :
       order_of(from, rows.size(), most, goes_before, rows.data(), &before)) {
    sorted.push_back(std::move(rows[number]));
  }
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    rows[from + i] = std::move(sorted[i]);
  }
}

// Like std::stable_sort; the rule is an object, not a function's name.
template <class Row, class Before>
void put_in_order(std::vector<Row>& rows, const Before& before) {
  put_first(rows, 0, rows.size(), before);
}

}  // namespace lamprey::recording
