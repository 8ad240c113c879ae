// Ledger: which lines have a profile of all sites.
#include <functional>
#include <memory>

#include "report/ledger/ledger.h"

namespace lamprey::report {

// A picture of a process needs all sites: those of init, of each hundred invocations, and of the
// rest of its life.
void Ledger::offer_profile(Report& report) {
  const bool due = report.type != Type::kInvoke ||
                   (present_ != Present::kNone && report.status == Status::kOk &&
                    report.invocation.value_or(1) % FindingDedup::kInvocations == 0);
  if (report.memory && due) {
    const std::uint64_t until = report.type == Type::kInit ? 0 : header().started;
    const std::size_t most =
        report.type == Type::kInvoke ? ProfileLedger::kMaxSitesBetween : ProfileLedger::kMaxSites;
    report.memory->profiled = std::make_shared<const std::function<ProfiledSites()>>(
        [this, until, most] { return profile_.take(reader_, until, most); });
  }
}

}  // namespace lamprey::report
