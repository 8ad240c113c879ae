// LAMPREY_LINES=notable: which invocations have a line of their own. Prints and adds up nothing.
#pragma once

#include <array>
#include <cstdint>

#include "report/model/report.h"

namespace lamprey::companion {

// Which durations are slow, seen against those before. "Slower than nine in ten" alone would be one
// line in ten. So a slow one takes more than twice as long as nine in ten of those before, and
// longer than 199 in 200 of them: of invocations that are all of one kind at most about 1 in 200 is
// slow, however their durations are distributed, and hardly any where they are alike.
class SlowWatch {
 public:
  // Judges by those before, then takes it in. The first kFewest are never slow.
  bool is_slow(std::uint64_t duration_ns);

  static constexpr std::uint32_t kFewest = 20;

 private:
  // Older ones count less: at kMany all counts are halved, so that a function that has become
  // slower is soon measured by what it is now.
  static constexpr std::uint32_t kMany = 4000;
  static constexpr std::size_t kSteps = 640;  // of microseconds: 2^40 of them, twelve days

  std::uint64_t limit(std::uint32_t above) const;

  std::array<std::uint16_t, kSteps> counts_{};
  std::uint32_t count_ = 0;
};

class Notable {
 public:
  // To be asked once of each report of an invocation, in their order.
  bool is_notable(const report::Report& report);
  // A summary was printed.
  void begin_anew() { slow_told_ = 0; }

  // Where all becomes slow at once, or the machine is busy, many are slow one after another: the
  // summary shows that, too. Seven short lines and a summary are 20 KB, for 1,000 invocations.
  static constexpr std::uint32_t kMostSlow = 7;

 private:
  SlowWatch slow_;
  std::uint32_t slow_told_ = 0;  // since the last summary
};

}  // namespace lamprey::companion
