// Ledger: which part of a process's totals belongs to an invocation. The reports themselves are
// made in ledger.cpp.
#include <fmt/format.h>

#include "recording/reader.h"
#include "report/ledger/ledger.h"

namespace lamprey::report {

using recording::Invocation;
using recording::kInvocations;

// How many others ran at some time between START and END of a concurrent invocation.
std::size_t Ledger::ran_beside(const Invocation& entry) {
  if (!recording::is_concurrent(header())) {
    return 0;
  }
  std::size_t count = 0;
  const std::uint64_t newest = header().started;
  for (std::uint64_t back = 0; back < kInvocations && back < newest; ++back) {
    const auto other = reader_.invocation(newest - back);
    if (other && other->sequence != entry.sequence &&
        other->started.mono_ns < entry.ended.mono_ns &&
        (other->ended.mono_ns == 0 || other->ended.mono_ns > entry.started.mono_ns)) {
      ++count;
    }
  }
  return count;
}

// Totals of an invocation: boundary(N) - boundary(N - 1) when both are there. Where others ran
// beside it, those since the end before, so that the lines still add up to the process's totals.
void Ledger::fill_totals(Report& report, const Invocation& entry) {
  const std::uint64_t sequence = entry.sequence;
  const std::size_t others = ran_beside(entry);
  bool adjacent = base_sequence_ == sequence - 1;
  auto before = adjacent || others != 0 || recording::is_concurrent(header())
                    ? nullptr
                    : reader_.boundary(sequence - 1);  // a trail gives it only now
  auto after = reader_.boundary(sequence);
  if (!after && sequence == header().started) {
    after = reader_.live(recording::monotonic_ns());
    report.coverage.add_unseen(
        "totals at the end of this invocation were not written: taken from the running counters");
  }
  if (!after) {
    report.coverage.add_unseen("memory and calls: totals were overwritten or not written");
    return;
  }
  if (others != 0) {
    report.coverage.unseen.push_back(
        fmt::format("memory and calls by invocation: {} ran beside it in this process", others));
    adjacent = false;
  } else if (before != nullptr) {
    base_ = std::move(before);
    adjacent = true;
  } else if (!adjacent && !recording::is_concurrent(header())) {
    report.coverage.unseen.push_back(
        base_sequence_ == kAttach
            ? std::string("memory and calls count from the start of the process")
            : fmt::format("memory and calls count from the end of invocation {}", base_sequence_));
  }
  fill(report, *base_, *after, adjacent);
  base_ = std::move(after);
  base_sequence_ = sequence;
}

}  // namespace lamprey::report
