// From two moments to the account of the time between them: of one thread, and of what the whole
// process talked to and touched. Pure arithmetic: no files, no clocks, no text for people.
#pragma once

#include "recording/reader.h"
#include "report/model/time_figures.h"

namespace lamprey::report {

// The candidate that handled the request: the one that used more CPU meanwhile.
const recording::ThreadAccount& handler_of(const recording::Invocation& entry);

// `ended`: where the thread stood at the end. Nothing when the account has no thread.
std::optional<WallFigures> wall_of(const recording::ThreadAccount& account,
                                   const recording::ThreadMoment& ended, std::uint64_t total_ns,
                                   std::optional<std::uint64_t> runnable_ns,
                                   const recording::ClockScale& clock);

// Hosts with nothing to report are left out, and the Runtime API.
TargetFigures targets_between(const recording::Totals& before, const recording::Totals& after,
                              const std::vector<recording::TargetName>& names,
                              const recording::ClockScale& clock);

}  // namespace lamprey::report
