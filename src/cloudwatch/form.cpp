// Full or short; see the header.
#include "cloudwatch/form.h"

#include <algorithm>
#include <vector>

#include "report/findings/finding_dedup.h"

namespace lamprey::cloudwatch {

using report::Report;

Form form_of(const Report& report, Detail detail) {
  if (detail != Detail::kAuto) {
    return detail == Detail::kFull ? Form::kFull : Form::kShort;
  }
  const bool abnormal = report.status != report::Status::kOk;
  const bool hundredth =
      report.invocation && *report.invocation % report::FindingDedup::kInvocations == 0;
  const bool news = std::any_of(report.findings.begin(), report.findings.end(),
                                [](const report::Finding& finding) { return !finding.told; });
  const bool full = report.type != report::Type::kInvoke || report.cold_start.value_or(false) ||
                    abnormal || hundredth || news;
  return full ? Form::kFull : Form::kShort;
}

bool is_quiet(const report::MemorySite& site) {
  return site.live_delta_bytes == 0 && site.allocated_bytes == 0;
}

void leave_out_unprinted(Report& report, Detail detail) {
  if (!report.memory || form_of(report, detail) == Form::kFull) {
    return;
  }
  std::vector<report::MemorySite>& sites = report.memory->sites;
  std::erase_if(sites, is_quiet);
  sites.resize(std::min(sites.size(), kTopShort));
}

}  // namespace lamprey::cloudwatch
