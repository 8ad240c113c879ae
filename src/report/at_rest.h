// The reports of a recording whose process is gone (or is looked at once): what an orphan, a run or
// a decoded file gives. Live recordings go through Ledger alone.
#pragma once

#include "report/ledger.h"

namespace lamprey::report {

// How and by when the process ended, as far as the recording says. Nobody was told a reason.
End end_at_rest(Ledger& ledger);

// An orphan: the invocation that it left open, or else its shutdown.
void give_orphan(Ledger& ledger, const Sink& sink);

// Everything that is in the file: init, the invocations in the ring, what was open, the whole.
void give_everything(Ledger& ledger, const Sink& sink);

}  // namespace lamprey::report
