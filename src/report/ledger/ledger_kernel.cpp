// Ledger: exact mode's figures, or why it could not be switched on.
#include <fmt/format.h>

#include "report/delta/difference.h"
#include "report/ledger/ledger.h"

namespace lamprey::report {
namespace {

using recording::ExactState;

// Why it is not on; nullptr when it is.
const char* reason_of(ExactState state) {
  switch (state) {
    case ExactState::kNotGlibc:
      return "the C library is not glibc";
    case ExactState::kNewGlibc:
      return "glibc 2.41 and later cannot be counted this way";
    case ExactState::kNoCounter:
      return "this machine has no time stamp counter to rely on";
    case ExactState::kThreads:
      return "threads ran before the library could change anything";
    case ExactState::kRefused:
      return "the system does not let code be changed";
    case ExactState::kNoPlaces:
      return "nothing in libc's code was recognised";
    case ExactState::kListed:
      return "the layer's compatibility list names this platform";
    default:
      return nullptr;
  }
}

}  // namespace

void Ledger::add_kernel(Report& report, const recording::Totals& before,
                        const recording::Totals& after, Peaks peaks) {
  const auto places = reader_.kernel_places();
  if (!places) {
    return;
  }
  if (const char* reason = reason_of(places->state)) {
    report.coverage.unseen.push_back(fmt::format("exact mode is not on: {}", reason));
    return;
  }
  report.kernel = kernel_between(before, after, reader_.clock(), peaks,
                                 header().clock == recording::Clock::kCntvct);
  if (report.kernel) {
    report.kernel->places = places->counted;
  }
  // True of the whole process, so an invocation's line does not say it.
  if (report.type != Type::kInvoke && places->left != 0) {
    report.coverage.unseen.push_back(
        fmt::format("exact mode: {} of {} places in libc's code at which the kernel may be called "
                    "are not counted",
                    places->left, places->left + places->counted));
  }
  if (places->uncounted != 0) {
    report.coverage.unseen.push_back(
        fmt::format("exact mode: {} calls found no room", places->uncounted));
  }
}

}  // namespace lamprey::report
