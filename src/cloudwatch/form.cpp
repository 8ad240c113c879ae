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
  return report::is_worth_all(report) ? Form::kFull : Form::kShort;
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
