// Full or short; see the header.
#include "cloudwatch/form.h"

#include <algorithm>
#include <vector>

#include "report/findings/finding_dedup.h"

namespace lamprey::cloudwatch {

using report::Report;

namespace {

constexpr std::size_t kCpuSitesNamedShort = 8;

}  // namespace

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
  if (form_of(report, detail) == Form::kFull) {
    return;
  }
  if (report.cpu) {  // equal texts are added up, so the first of them is not the first one's alone
    report.cpu->sites.resize(std::min(report.cpu->sites.size(), kCpuSitesNamedShort));
  }
  if (!report.memory) {
    return;
  }
  report.memory->profiled = nullptr;
  std::vector<report::MemorySite>& sites = report.memory->sites;
  std::erase_if(sites, is_quiet);
  sites.resize(std::min(sites.size(), kTopShort));
}

}  // namespace lamprey::cloudwatch
