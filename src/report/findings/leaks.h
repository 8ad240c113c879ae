// Memory that grows from one invocation to the next and does not level off, recognised from the
// levels at the end of the last invocations. Keeps numbers only; reads nothing, prints nothing.
//
// Growth is told by levels.h. It is a leak when it matters (at least 1 KiB an invocation, and the
// limit within 100,000 invocations), and when it was so eight levels ago as well. Where a collector
// gives malloc's blocks back, only levels right after it ran count (collected_heap.h).
// False alarms were measured on made-up handlers in tests/unit/leaks_test.cpp, which states them.
// Memory that is mapped, not malloc'ed (an interpreter's heap), shows in resident memory. It is
// mapped in steps, which no test of steadiness suits: a mapping site is named by how far it rose.
// A cache with a bound that is not reached within the window looks like a leak until it is.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "report/findings/collected_heap.h"
#include "report/findings/levels.h"
#include "report/model/report.h"

namespace lamprey::report {

// One process's invocations in order. About 18 KB; twice that in a collected heap.
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
    // nullptr: its levels are of all invocations.
    void test(const Levels* invocations);
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
  };
  void add_levels(const Report& report);
  void test();
  // By the levels so far.
  void judge(Report& report);
  std::int64_t rise(const Site& site) const;  // of the window, in an invocation
  void add_sites(const MemoryFigures& memory);
  Site* site_for(const MemorySite& site);
  const Site* worst_site(const Growth& growth) const;
  const Site* worst_place(const Growth& growth) const;
  const Site* worst_mapping(const Growth& growth) const;
  const Site* keeper() const;
  const Site* site_of(const Growth& growth, bool resident_only) const;
  void tell(Report& report, const Growth& growth, bool resident_only);
  void tell_where(Finding& finding, const Growth& growth, bool resident_only) const;

  CollectedHeap heap_;
  std::unique_ptr<LeakWatch> after_collections_;  // of a collected heap
  bool each_ = true;                              // its levels are of all invocations
  Levels invocations_;                            // of which the levels are
  Watched live_;
  Watched resident_;
  std::vector<Site> sites_;
  std::uint64_t looks_ = 0;
  std::uint64_t told_ = 0;  // at which look; 0 never
  std::int64_t since_ = 0;  // the invocation since which it grows, as was first told
};

}  // namespace lamprey::report
