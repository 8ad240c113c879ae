// How one figure went over the invocations of a function, for a chart: in bounded room, and no
// extreme is lost. Percentiles are not known here (series.h).
#pragma once

#include <cstdint>
#include <vector>

namespace lamprey::cli {

// What an invocation is marked as in a chart.
enum class Mark : std::uint8_t { kNone, kColdStart, kBadEnd };

class Trend {
 public:
  // A point stands for stride() invocations in their order, the last one for fewer.
  struct Point {
    std::uint64_t least = 0;
    std::uint64_t most = 0;
    std::uint64_t cold_most = 0;  // of cold starts; 0: none is among them
    std::uint64_t bad_most = 0;   // of those that did not end well
  };
  static constexpr std::size_t kMostPoints = 160;

  void add(std::uint64_t value, Mark mark = Mark::kNone);
  const std::vector<Point>& points() const { return points_; }
  std::uint64_t stride() const { return stride_; }
  std::uint64_t count() const { return count_; }

 private:
  void thin();

  std::vector<Point> points_;
  std::uint64_t stride_ = 1;
  std::uint64_t count_ = 0;
};

}  // namespace lamprey::cli
