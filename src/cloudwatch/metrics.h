// Embedded Metric Format: the metrics at the root of a line and the `_aws` member that names them.
#pragma once

#include "cloudwatch/line.h"
#include "cloudwatch/values.h"

namespace lamprey::cloudwatch {

// Metrics want to be numbers at the root; only those that were obtained are named. `duration_ms`
// is at the root anyway.
void add_metrics(Object& line, const report::Report& report, const LineOptions& options);

// Of a summary: the same metrics as objects, each with all values that there were and how often.
// The published specification knows numbers and lists of numbers only; CloudWatch takes these
// objects, and its agent and OpenTelemetry's exporter send them.
Object distributions(const report::Report& report);

}  // namespace lamprey::cloudwatch
