// Distributions; see the header.
#include "report/model/distribution.h"

#include <algorithm>
#include <bit>

namespace lamprey::report {
namespace {

constexpr std::uint32_t kDigits = 4;  // binary digits behind the first

}  // namespace

std::uint32_t step_of(std::uint64_t value) {
  const auto digits = static_cast<std::uint32_t>(std::bit_width(value));
  if (digits <= kDigits + 1) {
    return static_cast<std::uint32_t>(value);
  }
  const std::uint32_t shift = digits - kDigits - 1;
  return (shift << kDigits) + static_cast<std::uint32_t>(value >> shift);
}

std::uint64_t end_of_step(std::uint32_t step) {
  constexpr std::uint32_t kWhole = 2U << kDigits;  // values below it have a step each
  if (step < kWhole) {
    return std::uint64_t{step} + 1;
  }
  const std::uint32_t shift = (step >> kDigits) - 1;
  return (std::uint64_t{step} + 1 - (shift << kDigits)) << shift;
}

void Distribution::add(std::uint64_t value) {
  min = count == 0 ? value : std::min(min, value);
  max = std::max(max, value);
  ++count;
  sum += value;
  const std::uint64_t step = step_of(value) >> coarse;
  std::size_t at = 0;
  while (at < used && buckets[at].step < step) {
    ++at;
  }
  if (at == used || buckets[at].step != step) {
    for (std::size_t i = used++; i > at; --i) {
      buckets[i] = buckets[i - 1];
    }
    buckets[at] = {step, 0, 0};
  }
  buckets[at].count += 1;
  buckets[at].sum += value;
  if (used > kMaxBuckets) {
    coarsen();
  }
}

void Distribution::coarsen() {
  ++coarse;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < used; ++i) {
    const Bucket bucket = buckets[i];
    const std::uint64_t step = bucket.step >> 1U;
    if (kept == 0 || buckets[kept - 1].step != step) {
      buckets[kept++] = {step, 0, 0};
    }
    buckets[kept - 1].count += bucket.count;
    buckets[kept - 1].sum += bucket.sum;
  }
  used = kept;
}

std::vector<Distribution::Value> Distribution::values() const {
  std::vector<Value> list(used + 2);
  std::size_t filled = 0;
  const auto add_value = [&](std::uint64_t value, std::uint64_t times) {
    if (times == 0) {
      return;
    }
    if (filled == 0 || list[filled - 1].value != value) {
      list[filled++].value = value;
    }
    list[filled - 1].count += times;
  };
  for (std::size_t i = 0; i < used; ++i) {
    std::uint64_t left = buckets[i].count;
    std::uint64_t left_sum = buckets[i].sum;
    if (i == 0) {
      add_value(min, 1);
      left -= 1;
      left_sum -= min;
    }
    const bool has_most = i + 1 == used && left != 0;
    left -= has_most ? 1 : 0;
    left_sum -= has_most ? max : 0;
    if (left != 0) {
      add_value((left_sum + left / 2) / left, left);
    }
    add_value(max, has_most ? 1 : 0);
  }
  list.erase(list.begin() + static_cast<std::ptrdiff_t>(filled), list.end());
  return list;
}

}  // namespace lamprey::report
