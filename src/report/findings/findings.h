// Findings: what deserves a human's attention, derived from figures. Nothing is claimed that the
// figures do not support. Here are the findings that need one report only. Those that need several
// invocations (leaks.h, memory_watch.h, time_history.h) are added to the report before.
#pragma once

#include "report/model/report.h"

namespace lamprey::report {

// All of the below, most severe first. Adds to what the report already has.
void add_findings(Report& report);

void add_memory_findings(Report& report);
void add_ending_findings(Report& report);
void add_child_findings(Report& report);
void add_limit_findings(Report& report);
void add_time_findings(Report& report);
void add_cpu_findings(Report& report);      // after those about the end
void add_network_findings(Report& report);  // by add_time_findings

// Whether waiting for hosts took so long that its order may be worth a finding, which needs
// Report::timeline.
bool is_network_large(const Report& report);

}  // namespace lamprey::report
