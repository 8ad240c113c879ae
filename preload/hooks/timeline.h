// Which of the calls that took long go to the timeline of the invocation (timeline_section.h).
#pragma once

#include "preload/io/descriptors.h"

namespace lamprey::preload::hooks::timeline {

// A call of the thread with `slot` that took kLongCallTicks or more, after it was accounted: kept
// where it waited long enough, and not for the Runtime API. At most 60 ns where its stack was taken
// before the call, some 200 ns more where it was not. Does not touch errno.
void note(const recording::ThreadSlot& slot, recording::Call call, recording::CallClass spent_on,
          const io::Spent& spent);

}  // namespace lamprey::preload::hooks::timeline
