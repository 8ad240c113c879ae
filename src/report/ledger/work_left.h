// Work that goes on after its invocation has ended: which threads an invocation started and left
// working, and whether they went on in a later one. Works on looks at the threads; reads nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "recording/reader.h"
#include "report/model/report.h"

namespace lamprey::report {

class WorkLeft {
 public:
  // Asked about few threads, as each answer costs a look.
  struct Asks {
    std::function<bool(std::int32_t tid)> is_running;
    // "localhost:18120": who owes the call an answer; empty: nobody.
    std::function<std::string(const recording::OpenCall&)> awaited;
    std::function<std::uint64_t(std::uint64_t ticks)> to_ns;
  };
  // `threads`: just after `entry` has ended. Adds the findings of its line.
  void look(Report& report, const recording::Invocation& entry,
            const std::vector<recording::SlotLook>& threads, const Asks& asks);
  // Whether an earlier invocation left it working: it does not work for this one.
  bool is_left(std::int32_t tid) const;

 private:
  struct Left {
    std::int32_t tid = 0;
    std::uint32_t generation = 0;
    std::uint64_t invocation = 0;
    std::uint64_t worked = 0;  // SlotLook::worked when it was left
    bool unsure = false;       // it may have waited for work: told only if it is seen to wait
  };
  void tell_disturbed(Report& report, const std::vector<recording::SlotLook>& threads,
                      const Asks& asks);

  std::vector<Left> left_;
};

}  // namespace lamprey::report
