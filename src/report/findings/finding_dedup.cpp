// What was told, by code and severity; see the header.
#include "report/findings/finding_dedup.h"

#include <algorithm>

namespace lamprey::report {

void FindingDedup::mark(Report& report) {
  const std::uint64_t hundred = report.invocation.value_or(0) / kInvocations;
  if (hundred != hundred_) {
    told_.clear();
    hundred_ = hundred;
  }
  for (Finding& finding : report.findings) {
    if (finding.code.starts_with("memory.")) {
      continue;  // whoever makes these decides when they are told again
    }
    const std::pair key(finding.code, finding.severity);
    finding.told = std::find(told_.begin(), told_.end(), key) != told_.end();
    if (!finding.told) {
      told_.push_back(key);
    }
  }
}

bool is_worth_all(const Report& report) {
  const bool hundredth = report.invocation && *report.invocation % FindingDedup::kInvocations == 0;
  return report.type != Type::kInvoke || report.cold_start.value_or(false) ||
         report.status != Status::kOk || hundredth ||
         std::any_of(report.findings.begin(), report.findings.end(),
                     [](const Finding& finding) { return !finding.told; });
}

bool is_about_time(const Report& report) {
  bool about = report.slowest;
  for (const Finding& finding : report.findings) {
    about = about || finding.code.starts_with("network.") || finding.code.starts_with("time.") ||
            finding.code.starts_with("timeout.") || finding.code == "locks.contended" ||
            finding.code == "children.slow";
  }
  return about;
}

}  // namespace lamprey::report
