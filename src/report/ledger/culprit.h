// Which of the threads that a killed invocation left behind explains its end: the one that handles
// the request; where that one waits for another thread, the other one. Pure; knows nothing of
// recordings.
#pragma once

#include <cstdint>
#include <vector>

#include "report/model/report.h"

namespace lamprey::report {

// Puts the thread that explains the end first, the handler before the others, and idle threads of
// pools last. `span_ns`: how long the invocation ran; `window_ns`: the part of it in which threads
// were watched (Blocked::worked_ns), 0: they were not.
void put_culprit_first(std::vector<Blocked>& blocked, std::uint64_t span_ns,
                       std::uint64_t window_ns);

// The handler's wait for the culprit was a wait for what the culprit waited for, or computed; a
// loop's wait for its timer was sleep.
void charge_to_culprit(WallFigures& wall, const std::vector<Blocked>& blocked);

}  // namespace lamprey::report
