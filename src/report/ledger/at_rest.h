// The reports of a recording whose process is gone, or that is read only once: an orphan, a run, a
// decoded file. Live recordings go through Ledger alone.
#pragma once

#include "report/findings/memory_end.h"
#include "report/ledger/ledger.h"

namespace lamprey::report {

// The reason for a process that ended without writing how. Its causes: SIGKILL (from the kernel
// when memory runs out, or from anybody), a stack overflow in a thread other than the main one, and
// exit_group by system call.
inline constexpr const char* kUnknownEnd =
    "killed: it said nothing of its end, as after SIGKILL, and nobody was told why";

// What else is known of the time when the process ended.
struct Hints {
  MemoryKills before;        // the kernel's counters when the process was alive
  MemoryKills after;         // and now
  std::string late_request;  // an invocation that was still running when its time was nearly over
  bool all = false;          // what was reported is known: report every ended one that was not
};

// How and by when the process ended, as far as the recording says. The platform gave no reason.
EndCause end_at_rest(Ledger& ledger, const Hints& hints = {});

// An orphan: the invocations that ended and were not reported, and the one that was left open. If
// none was, the end of the process (of type init when init never ended).
void give_orphan(Ledger& ledger, const Hints& hints, const Sink& sink);

// Everything that is in the file: init, the invocations in the ring, what was open, the whole.
void give_everything(Ledger& ledger, const Sink& sink);

}  // namespace lamprey::report
