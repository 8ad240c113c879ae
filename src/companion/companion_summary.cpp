// The companion's part in LAMPREY_LINES=notable: adding up invocations that have no line of their
// own, and when their sum is printed. What is notable is notable.h's to say.
#include <utility>

#include "companion/companion.h"

namespace lamprey::companion {
namespace {

constexpr std::uint64_t kMostInvocations = 1000;
constexpr std::uint64_t kMostNs = 60'000'000'000;

}  // namespace

bool Companion::add_to_summary(const report::Report& report, report::Ledger* of) {
  if (config_.lines == Lines::kAll || report.type != report::Type::kInvoke ||
      notable_.is_notable(report) || config_.detail == cloudwatch::Detail::kFull) {
    return false;
  }
  if (summary_.empty()) {
    summary_begun_ns_ = recording::realtime_ns();
  }
  summary_.add(report);
  sum_unkept_ = true;
  unkept_of_ = of;
  unkept_after_ = of == nullptr ? report::Reported{} : of->reported_so_far();
  if (!defers_sum_) {
    keep_sum();
  }
  if (summary_.invocations() >= kMostInvocations) {
    print_summary();
  } else {
    print_due_summary();
  }
  return true;
}

// Nothing runs in a frozen environment, so this is asked at each event. A clock that was set back
// is a reason, too: nobody knows then how old the sum is.
void Companion::print_due_summary() {
  const std::uint64_t now = recording::realtime_ns();
  if (now < summary_begun_ns_ || now - summary_begun_ns_ >= kMostNs) {
    print_summary();
  }
}

// While several are told of in one go, once for all that were added up one after the other. Until
// then a successor would tell of them anew.
void Companion::keep_sum() {
  if (std::exchange(sum_unkept_, false)) {
    journal_.keep_summary(surroundings_.output, summary_.save(),
                          unkept_of_ == nullptr ? nullptr : &unkept_of_->header(), unkept_after_);
  }
}

void Companion::print_summary() {
  if (!summary_.empty()) {
    keep_sum();
    report::Report report = summary_.take();
    print(report);
    notable_.begin_anew();
  }
}

// A companion before this one was killed with a sum that it had not printed.
void Companion::print_summary_of_predecessor() {
  const std::string kept = journal_.summary();
  if (kept.empty() || !summary_.restore(kept)) {
    return;
  }
  report::Report report = summary_.take();
  report.late = true;
  print(report);
}

}  // namespace lamprey::companion
