// How the recorded process ended: the reason that SHUTDOWN gives, weighed against what the process
// and the kernel say. Pure.
#pragma once

#include <optional>
#include <vector>

#include "lambda/event.h"
#include "report/findings/memory_end.h"
#include "report/ledger/ledger.h"

namespace lamprey::companion {

struct Circumstances {
  std::optional<report::SelfReport> account;  // what the process wrote about its end
  bool exited = false;                        // its exit handlers ran
  bool gone = false;                          // it is known not to run any more
  bool init_ended = true;                     // it once asked for an invocation
  bool init_error = false;                    // else it has reported an error
  report::MemoryVerdict memory;               // when it is gone and wrote none
  std::vector<report::Finding> findings;      // about the verdict
};

report::EndCause ending_of(lambda::ShutdownReason reason, const Circumstances& known);

// The same for an invocation that was still open: where the environment ends in order, such an
// invocation still does not.
report::EndCause open_ending(const report::EndCause& end, const Circumstances& known);

}  // namespace lamprey::companion
