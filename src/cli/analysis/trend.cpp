// Charts in bounded room; see the header.
#include "cli/analysis/trend.h"

#include <algorithm>

namespace lamprey::cli {
namespace {

void merge(Trend::Point& into, const Trend::Point& later) {
  into.least = std::min(into.least, later.least);
  into.most = std::max(into.most, later.most);
  into.cold_most = std::max(into.cold_most, later.cold_most);
  into.bad_most = std::max(into.bad_most, later.bad_most);
}

}  // namespace

void Trend::add(std::uint64_t value, Mark mark) {
  const Point one{value, value, mark == Mark::kColdStart ? value : 0,
                  mark == Mark::kBadEnd ? value : 0};
  if (count_ % stride_ != 0) {
    merge(points_.back(), one);
  } else {
    if (points_.size() == kMostPoints) {
      thin();
    }
    points_.push_back(one);
  }
  ++count_;
}

// Two points become one. All are whole here, and their number is even.
void Trend::thin() {
  for (std::size_t i = 0; i < points_.size(); i += 2) {
    merge(points_[i], points_[i + 1]);
    points_[i / 2] = points_[i];
  }
  points_.resize(points_.size() / 2);
  stride_ *= 2;
}

}  // namespace lamprey::cli
