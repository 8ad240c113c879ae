// The companion's part in ends: SHUTDOWN, and inits that fail. The main loop is companion.cpp's.
#include <fmt/format.h>

#include "companion/companion.h"
#include "companion/ending.h"
#include "report/text/headline.h"

namespace lamprey::companion {

using recording::monotonic_ns;
using recording::realtime_ns;
using report::Report;
using std::chrono::milliseconds;

namespace {

// How long a shutdown may wait in all for room in standard output.
constexpr milliseconds kLastPatience{100};

}  // namespace

Circumstances Companion::circumstances_of(Followed& followed) {
  Circumstances known;
  known.account = followed.ledger().self_report();
  known.exited = (followed.ledger().header().flags & recording::kFlagExited) != 0;
  known.gone = followed.has_ended();
  // Where workers serve, the process that started them never asks for work itself.
  known.init_ended = followed.ledger().init_ended() || followed.is_child() || served_;
  known.init_error = !known.init_ended && !followed.ledger().reader().error_type(0).empty();
  if (known.gone && !known.account && !known.exited) {
    const report::MemoryEvidence evidence =
        followed.memory_evidence(recordings_.memory_kills_at_start());
    known.memory = report::judge_memory(evidence);
    if (known.memory.confidence_percent > 0) {
      known.findings.push_back(report::memory_finding(evidence, known.memory));
    }
  }
  return known;
}

void Companion::on_shutdown(const lambda::Event& event) {
  log(LogLevel::kDebug, fmt::format("SHUTDOWN {}", event.reason_text));
  send_waiting(milliseconds{0});
  recordings_.look_again();
  scan_recordings();
  report_ended_invocations({});
  recordings_.drop_wrappers(true);
  print_summary();
  report_ends(event);
  print_summary();  // of what only the end has shown
  send_waiting(kLastPatience);
  if (journal_.waiting() != 0) {
    log(LogLevel::kError,
        fmt::format("standard output is full: {} lines wait for a successor", journal_.waiting()));
  }
  journal_.remove_if_needless();
}

void Companion::report_ends(const lambda::Event& event) {
  const std::uint64_t now = monotonic_ns();
  if (any_boundaries()) {
    unrecorded_.forget();
  } else if (unrecorded_.any()) {
    say_unrecorded();
  }
  const report::EndCause known_of_all = ending_of(event.reason, {});
  if (auto last = unrecorded_.end(known_of_all.status, known_of_all.death)) {
    print(*last);
  }
  if (recordings_.live().empty()) {
    Report report;
    report.type = report::Type::kShutdown;
    const report::EndCause end = ending_of(event.reason, {});
    report.status = end.status;
    report.death = end.death;
    report.coverage.unseen.push_back(why_nothing());
    report::add_headline(report);
    print(report);
    return;
  }
  while (!recordings_.live().empty()) {
    Followed& followed = *recordings_.live().front();
    report::Ledger& ledger = followed.ledger();
    ledger.refresh();  // it may have written how it ended since we last looked
    const Circumstances known = circumstances_of(followed);
    report::EndCause end = ending_of(event.reason, known);
    end.mono_ns = known.account ? known.account->mono_ns : gone_mono_ns_ != 0 ? gone_mono_ns_ : now;
    end.duration_known = end.duration_known || known.account.has_value();
    end.closeup = followed.closeup();
    // An init that fails by itself says so (init.failed); only one that is cut off is too slow.
    const bool by_itself = known.account || known.exited || known.init_error;
    if (!known.init_ended && end.status != report::Status::kOk && !by_itself) {
      count_failed_init(end);
    }
    const report::Sink sink = printer(ledger);
    ledger.report_open(open_ending(end, known), sink);
    ledger.report_process_end(known.init_ended ? report::Type::kShutdown : report::Type::kInit, end,
                              sink);
    recordings_.remove(followed);
  }
}

// An init that is killed before it finishes is started again, and killed again. Only a change to
// the function ends that loop.
void Companion::count_failed_init(report::EndCause& end) {
  EnvironmentState& state = journal_.state();
  state.failed_inits += 1;
  if (state.failed_inits == 1) {
    state.first_failed_real_ns = realtime_ns();
  }
  journal_.keep_state();
  if (state.failed_inits < 2) {
    return;
  }
  report::Finding finding;
  finding.code = "init.loop";
  finding.severity = report::Severity::kCritical;
  finding.text = fmt::format("Init did not finish {} times in a row.", state.failed_inits);
  finding.advice =
      "After a failure init runs again inside the next invocation, with the function's timeout as "
      "its limit and less CPU: raise the timeout above what init takes, give more memory, or move "
      "work out of init.";
  finding.evidence = {
      {"failed_inits", static_cast<std::int64_t>(state.failed_inits)},
      {"seconds",
       static_cast<std::int64_t>((realtime_ns() - state.first_failed_real_ns) / 1'000'000'000U)}};
  end.findings.push_back(std::move(finding));
}

void Companion::note_init_ended() {
  served_ = true;
  if (journal_.state().failed_inits != 0) {
    journal_.state().failed_inits = 0;
    journal_.keep_state();
  }
}

}  // namespace lamprey::companion
