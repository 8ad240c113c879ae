// Which form a report's line has, full or short, and what of the report a short one never prints.
#pragma once

#include "cloudwatch/line.h"
#include "cloudwatch/sections.h"
#include "report/model/report.h"

namespace lamprey::cloudwatch {

Form form_of(const report::Report& report, Detail detail);

// Whether nothing of it happened in the span of the report: short lines leave it out.
bool is_quiet(const report::MemorySite& site);

// Takes the sites that its line will not have out of a report, before names are looked up for them.
void leave_out_unprinted(report::Report& report, Detail detail);

}  // namespace lamprey::cloudwatch
