// Memory that grows from one invocation to the next and does not level off, recognised from the
// levels at the end of the last invocations. Keeps numbers only; reads nothing, prints nothing.
//
// The test. The newest 48 to 64 levels of a series are cut into eight blocks. It is a leak when
//   1. the means of the blocks rise steadily: the mean of the seven steps is at least five of its
//      own standard errors (a step, two steps, noise and a random walk are not steady);
//   2. the lowest level of each quarter rises (a sawtooth comes back down to the same floor);
//   3. the last two steps are at least half of the first two (a cache that fills slows down);
//   4. the level is above every level from before the window (what came down once comes down
//      again);
//   5. it matters: at least 1 KiB an invocation, and the limit within 100,000 invocations;
//   6. all of this was so eight invocations ago as well.
// False alarms were measured on made-up handlers in tests/unit/leaks_test.cpp, which states them.
// Memory that is mapped, not malloc'ed (an interpreter's heap), shows in resident memory. It is
// mapped in steps, which no test of steadiness suits: a mapping site is named by how far it rose.
// A cache with a bound that is not reached within the window looks like a leak until it is.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "report/model/report.h"

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

// Points 1 to 4 above; nothing when the series does not grow like a leak or is too short.
std::optional<Growth> steady_growth(const Levels& levels);

// One process's invocations in order. About 18 KB.
class LeakWatch {
 public:
  // Adds the levels of this invocation. Adds the finding memory.leak when a leak is first seen, and
  // again every kAgain invocations.
  void look(Report& report);

  static constexpr std::size_t kMaxSites = 32;
  static constexpr std::uint64_t kAgain = 16;

 private:
  // For points 5 and 6: what the last test found, and whether the test before found it too.
  struct Watched {
    Levels levels;
    std::optional<Growth> growth;
    bool before = false;
    void test();
    bool is_leak() const { return growth.has_value() && before; }
  };
  struct Site {
    std::uint64_t hash = 0;
    std::uint64_t place = 0;  // the same of its innermost frames alone
    Stack stack;
    Watched watched;
    std::uint64_t seen = 0;
    bool mapping = false;
    bool heap = false;  // of an interpreter: a mapping that a function of the program's needed
    std::int64_t gain() const;  // over the window
    std::int64_t rise() const;  // of it, in an invocation
  };
  void add_sites(const MemoryFigures& memory);
  Site* site_for(const MemorySite& site);
  const Site* worst_site(const Growth& growth) const;
  const Site* worst_place(const Growth& growth) const;
  const Site* worst_mapping(const Growth& growth) const;
  const Site* keeper() const;
  const Site* site_of(const Growth& growth, bool resident_only) const;
  void tell(Report& report, const Growth& growth, bool resident_only);
  void tell_where(Finding& finding, const Growth& growth, bool resident_only) const;

  Watched live_;
  Watched resident_;
  std::vector<Site> sites_;
  std::uint64_t looks_ = 0;
  std::uint64_t told_ = 0;  // at which look; 0 never
};

}  // namespace lamprey::report
