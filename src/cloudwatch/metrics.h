// Embedded Metric Format: the metrics at the root of a line and the `_aws` member that names them.
#pragma once

#include "cloudwatch/line.h"
#include "cloudwatch/values.h"

namespace lamprey::cloudwatch {

// Metrics want to be numbers at the root; only those that were obtained are named. `duration_ms`
// is at the root anyway.
void add_metrics(Object& line, const report::Report& report, const LineOptions& options);

}  // namespace lamprey::cloudwatch
