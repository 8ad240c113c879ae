// The reports of a recording whose process is gone (or is looked at once): what an orphan, a run or
// a decoded file gives. Live recordings go through Ledger alone.
#pragma once

#include "report/findings/memory_end.h"
#include "report/ledger/ledger.h"

namespace lamprey::report {

// A process that is gone and left no word. What does that: SIGKILL (from the kernel when memory
// runs out, or from anybody), a stack that overflows in a thread other than the main one, and
// exit_group by system call.
inline constexpr const char* kUnknownEnd =
    "killed: it said nothing of its end, as after SIGKILL, and nobody was told why";

// What else is known of the time when the process ended.
struct Hints {
  MemoryKills before;        // the kernel's counters when the process was alive
  MemoryKills after;         // and now
  std::string late_request;  // an invocation that was still running when its time was nearly over
  bool all = false;          // what was given before is known: also what ended and was not given
};

// How and by when the process ended, as far as the recording says. Nobody was told a reason.
EndCause end_at_rest(Ledger& ledger, const Hints& hints = {});

// An orphan: what ended and was not given, and the invocation that it left open, or else its end as
// a whole (of type init when init never ended).
void give_orphan(Ledger& ledger, const Hints& hints, const Sink& sink);

// Everything that is in the file: init, the invocations in the ring, what was open, the whole.
void give_everything(Ledger& ledger, const Sink& sink);

}  // namespace lamprey::report
