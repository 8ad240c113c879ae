// What a SHUTDOWN's reason says about the process that was recorded, weighed with what the process
// and the kernel say. Pure.
#pragma once

#include <optional>
#include <vector>

#include "lambda/event.h"
#include "report/findings/memory_end.h"
#include "report/ledger/ledger.h"

namespace lamprey::companion {

struct Circumstances {
  std::optional<report::SelfReport> account;  // the process's own
  bool exited = false;                        // its exit handlers ran
  bool gone = false;                          // it is known not to run any more
  bool init_ended = true;                     // it once asked for an invocation
  report::MemoryVerdict memory;               // when it is gone and left no account
  std::vector<report::Finding> findings;      // that go with the verdict
};

report::EndCause ending_of(lambda::ShutdownReason reason, const Circumstances& known);

// The same for an invocation that was still open: an orderly end of the environment is no orderly
// end of an invocation.
report::EndCause open_ending(const report::EndCause& end, const Circumstances& known);

}  // namespace lamprey::companion
