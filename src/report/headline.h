// The one sentence a person on call reads first, and the findings that are certain from the figures
// of one report. Adds to a report; reads nothing else.
#pragma once

#include "report/report.h"

namespace lamprey::report {

void add_findings(Report& report);
// After the findings.
void add_headline(Report& report);

}  // namespace lamprey::report
