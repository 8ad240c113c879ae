// Whether a series of levels, one for each invocation, grows as a leak does. Keeps numbers only.
//
// The newest 48 to 64 levels are cut into eight blocks. They grow like a leak when
//   1. the means of the blocks rise steadily: the mean of the seven steps is at least five of its
//      own standard errors (a step, two steps, noise and a random walk are not steady);
//   2. the lowest level of each quarter rises (a sawtooth comes back down to the same floor);
//   3. the last two steps are at least half of the first two (a cache that fills slows down);
//   4. the level is above every level from before the window (what came down once comes down
//      again).
// Levels at other distances than one invocation are judged by the line through the blocks' means:
// its slope must be at least eight of its standard errors; 2 to 4 are the same.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace lamprey::report {

inline constexpr std::size_t kLeakWindow = 64;  // invocations

// The newest levels of one series, oldest first.
class Levels {
 public:
  void add(std::int64_t level);
  std::size_t size() const { return size_; }
  std::int64_t at(std::size_t index) const { return levels_[(first_ + index) % levels_.size()]; }
  std::int64_t newest() const { return size_ == 0 ? 0 : at(size_ - 1); }
  // The highest of those that are no longer kept.
  std::int64_t highest_before() const { return highest_before_; }

 private:
  std::array<std::int64_t, kLeakWindow> levels_{};
  std::size_t first_ = 0;
  std::size_t size_ = 0;
  std::int64_t highest_before_ = INT64_MIN;
};

struct Growth {
  std::int64_t bytes_per_invocation = 0;
  int confidence_percent = 0;  // how much of the steps' spread is steady growth: t² / (t² + 6)
};

// Of levels of invocations one after the other; nothing when they do not grow like a leak or are
// too few.
std::optional<Growth> steady_growth(const Levels& levels);

// The same of levels at other distances. `invocations`: of which they are, among the newest.
std::optional<Growth> steady_growth(const Levels& levels, const Levels& invocations);

// How many invocations lie between the first and the last of `levels` levels, the newest.
std::int64_t span_of(const Levels& invocations, std::size_t levels);

}  // namespace lamprey::report
