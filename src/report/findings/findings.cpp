// Which findings there are, and their order; see the header.
#include "report/findings/findings.h"

#include "report/model/order.h"

namespace lamprey::report {

void add_findings(Report& report) {
  add_memory_findings(report);
  add_ending_findings(report);
  add_child_findings(report);
  add_limit_findings(report);
  add_time_findings(report);
  add_cpu_findings(report);
  put_in_order(report.findings,
               [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
}

}  // namespace lamprey::report
