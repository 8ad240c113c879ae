// Findings: what is worth a human's attention, told from figures. A finding is silent where the
// figures do not support it. This page has those that one report supports by itself; what needs
// several invocations is found by whoever keeps them and is added to the report before.
#pragma once

#include "report/model/report.h"

namespace lamprey::report {

// All of the below, most severe first. Adds to what the report already has.
void add_findings(Report& report);

void add_memory_findings(Report& report);
void add_ending_findings(Report& report);
void add_time_findings(Report& report);

}  // namespace lamprey::report
