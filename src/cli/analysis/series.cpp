// Percentiles and trends in bounded room; see the header.
#include "cli/analysis/series.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace lamprey::cli {
namespace {

constexpr std::uint32_t kDigits = 7;  // binary digits behind the first: steps of 0.8 %
constexpr std::size_t kMaxPoints = 600;

// Values below 2^kDigits have a step each.
std::uint32_t step_of(std::uint64_t value) {
  const auto digits = static_cast<std::uint32_t>(std::bit_width(value));
  if (digits <= kDigits + 1) {
    return static_cast<std::uint32_t>(value);
  }
  const std::uint32_t shift = digits - kDigits - 1;
  return (shift << kDigits) + static_cast<std::uint32_t>(value >> shift);
}

// The middle of a step.
std::uint64_t value_of(std::uint32_t step) {
  constexpr std::uint32_t kPerShift = 1U << kDigits;
  if (step < 2 * kPerShift) {
    return step;
  }
  const std::uint32_t shift = (step >> kDigits) - 1;
  const std::uint64_t first = std::uint64_t{step - (shift << kDigits)} << shift;
  return first + ((std::uint64_t{1} << shift) / 2);
}

}  // namespace

void Series::add(std::uint64_t value) {
  ++count_;
  newest_ = value;
  least_ = std::min(least_, value);
  most_ = std::max(most_, value);
  sum_ += static_cast<double>(value);
  if (steps_.empty()) {
    exact_.push_back(value);
    if (exact_.size() > kExact) {
      spread();
    }
  } else {
    put_into_step(step_of(value), 1);
  }
  add_point(value, 1);
}

void Series::append(const Series& later) {
  if (later.empty()) {
    return;
  }
  count_ += later.count_;
  newest_ = later.newest_;
  least_ = std::min(least_, later.least_);
  most_ = std::max(most_, later.most_);
  sum_ += later.sum_;
  if (steps_.empty() && later.steps_.empty() && exact_.size() + later.exact_.size() <= kExact) {
    exact_.insert(exact_.end(), later.exact_.begin(), later.exact_.end());
  } else {
    spread();
    for (const std::uint64_t value : later.exact_) {
      put_into_step(step_of(value), 1);
    }
    for (std::size_t i = 0; i < later.steps_.size(); ++i) {
      if (later.steps_[i] != 0) {
        put_into_step(later.first_step_ + static_cast<std::uint32_t>(i), later.steps_[i]);
      }
    }
  }
  for (std::size_t i = 0; i < later.points_.size(); ++i) {
    const bool last = i + 1 == later.points_.size();
    add_point(later.points_[i], last && later.in_point_ != 0 ? later.in_point_ : later.stride_);
  }
}

void Series::spread() {
  for (const std::uint64_t value : exact_) {
    put_into_step(step_of(value), 1);
  }
  exact_ = {};
}

void Series::put_into_step(std::uint32_t step, std::uint64_t times) {
  if (steps_.empty()) {
    first_step_ = step;
  } else if (step < first_step_) {
    steps_.insert(steps_.begin(), first_step_ - step, 0);
    first_step_ = step;
  }
  const std::size_t at = step - first_step_;
  steps_.resize(std::max(steps_.size(), at + 1));
  steps_[at] += times;
}

void Series::add_point(std::uint64_t value, std::uint64_t stands_for) {
  if (in_point_ == 0 || points_.empty()) {
    if (points_.size() == kMaxPoints) {
      thin();
    }
    points_.push_back(value);
  } else {
    points_.back() = std::max(points_.back(), value);
  }
  in_point_ += stands_for;
  while (stride_ < stands_for) {
    thin();
  }
  in_point_ = in_point_ >= stride_ ? 0 : in_point_;
}

// Two points become one.
void Series::thin() {
  stride_ *= 2;
  const std::size_t count = points_.size();
  for (std::size_t i = 0; i < count; i += 2) {
    points_[i / 2] = std::max(points_[i], points_[std::min(i + 1, count - 1)]);
  }
  points_.resize((count + 1) / 2);
}

std::optional<std::uint64_t> Series::percentile(double percent) const {
  if (count_ == 0) {
    return std::nullopt;
  }
  const auto rank = std::clamp<std::uint64_t>(
      static_cast<std::uint64_t>(std::ceil(static_cast<double>(count_) * percent / 100)), 1,
      count_);
  if (steps_.empty()) {
    std::vector<std::uint64_t> values = exact_;
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(rank - 1);
    std::nth_element(values.begin(), at, values.end());
    return *at;
  }
  if (rank == count_) {
    return most_;
  }
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    seen += steps_[i];
    if (seen >= rank) {
      const std::uint64_t value = value_of(first_step_ + static_cast<std::uint32_t>(i));
      return std::clamp(value, least_, most_);
    }
  }
  return most_;
}

std::vector<std::uint64_t> Series::trend() const { return points_; }

}  // namespace lamprey::cli
