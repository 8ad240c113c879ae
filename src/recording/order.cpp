// The sort that all rows share; see the header.
#include "recording/order.h"

#include <algorithm>
#include <numeric>

namespace lamprey::recording {

std::vector<std::uint32_t> order_of(std::size_t from, std::size_t count, std::size_t most,
                                    GoesBefore goes_before, const void* rows, const void* rule) {
  std::vector<std::uint32_t> order(count - std::min(count, from));
  std::iota(order.begin(), order.end(), static_cast<std::uint32_t>(from));
  const auto ordered = static_cast<std::ptrdiff_t>(std::min(order.size(), most));
  std::partial_sort(order.begin(), order.begin() + ordered, order.end(),
                    [goes_before, rows, rule](std::uint32_t a, std::uint32_t b) {
                      return goes_before(rows, rule, a, b) ||
                             (!goes_before(rows, rule, b, a) && a < b);
                    });
  return order;
}

}  // namespace lamprey::recording
