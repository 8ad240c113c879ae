// The one sentence a person on call reads first. Adds to a report; reads nothing else.
#pragma once

#include "report/model/report.h"

namespace lamprey::report {

// After the findings.
void add_headline(Report& report);

}  // namespace lamprey::report
