// Ledger: several invocations that are told of in one go (LAMPREY_FLUSH=batch). Their totals come
// from the trail. What only the present can tell is known of the newest of them at best.
#include <utility>

#include "report/ledger/ledger.h"

namespace lamprey::report {

// Whether all that has grown since the last look grew in the one invocation that has ended. In
// batches others may have run in part.
bool Ledger::is_alone(const std::vector<recording::Invocation>& ended) {
  const std::uint64_t sequence = ended.back().sequence;
  const bool undisturbed = header().started == sequence && looked_at_ + 1 == sequence;
  looked_before_ = std::exchange(looked_at_, header().started);
  return ended.size() == 1 && (undisturbed || !is_in_batches());
}

void Ledger::add_sampled(Report& report, std::vector<MemorySite> sites) {
  add_sites(report, std::move(sites));
  add_cpu(report, cpu_.take(reader_));
  const bool any = report.cpu || (report.memory && !report.memory->sites.empty());
  if (present_ == Present::kNewest && any) {
    report.coverage.add_unseen(
        "memory by site, CPU time by function: those of the invocations before are in it, since "
        "the line that last had them");
  }
}

}  // namespace lamprey::report
