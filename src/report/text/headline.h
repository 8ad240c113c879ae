// The one sentence a person on call reads first. Reads only the report, and adds to it.
#pragma once

#include "report/model/report.h"

namespace lamprey::report {

// Call it after the findings were added.
void add_headline(Report& report);

}  // namespace lamprey::report
