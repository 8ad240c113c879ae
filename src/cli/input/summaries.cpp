// Reading summaries; see the header.
#include "cli/input/summaries.h"

#include <algorithm>
#include <numeric>

#include "cli/input/json_values.h"

namespace lamprey::cli {
namespace {

constexpr std::uint64_t kMaxInvocations = 100'000;  // ours have 1,000

// Every value once, each far from those that were beside it.
std::vector<std::uint64_t> mixed(const std::vector<std::uint64_t>& values) {
  const std::size_t count = values.size();
  std::size_t step = (count * 618 / 1000) | 1U;
  while (std::gcd(step, count) > 1) {
    step += 2;
  }
  std::vector<std::uint64_t> order;
  order.reserve(count);
  for (std::size_t i = 0, at = 0; i < count; ++i, at = (at + step) % count) {
    order.push_back(values[at]);
  }
  return order;
}

}  // namespace

bool is_summary(const Value& record) { return is(record, "type", "summary"); }

std::uint64_t invocations_in(const Value& record) {
  return is_summary(record)
             ? std::min(number(record["summary"], "invocations").value_or(0), kMaxInvocations)
             : 1;
}

std::vector<std::uint64_t> values_in(const Value& record, std::string_view metric,
                                     std::uint64_t by) {
  constexpr double kMax = 9e18;
  std::vector<std::uint64_t> counts;
  for (const Value count : list(record[metric], "Counts")) {
    counts.push_back(static_cast<std::uint64_t>(
        std::clamp(decimal(count).value_or(0), 0.0, static_cast<double>(kMaxInvocations))));
  }
  std::vector<std::uint64_t> values;
  std::size_t at = 0;
  for (const Value entry : list(record[metric], "Values")) {
    const double value = decimal(entry).value_or(-1) * static_cast<double>(by);
    const std::uint64_t count = at < counts.size() ? counts[at] : 0;
    ++at;
    if (value >= 0 && value < kMax && values.size() + count <= kMaxInvocations) {
      values.insert(values.end(), count, static_cast<std::uint64_t>(by == 1 ? value : value + 0.5));
    }
  }
  return mixed(values);
}

}  // namespace lamprey::cli
