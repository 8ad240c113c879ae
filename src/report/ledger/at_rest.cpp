// Reports of recordings at rest; see the header.
#include "report/ledger/at_rest.h"

#include <algorithm>

namespace lamprey::report {
namespace {

using recording::InvocationState;

EndCause whole_end(const EndCause& end) {
  EndCause whole = end;
  if (end.status == Status::kExit && end.death.exit_code.value_or(0) == 0) {
    whole.status = Status::kOk;
    whole.death = {};
  } else if (end.death.signal == "SIGTERM") {
    whole.status = Status::kOk;  // how the platform asks a runtime to stop: nothing is wrong
  }
  return whole;
}

// The process did not write how it ended: memory ran out, or something else killed it at once.
void explain_silence(Ledger& ledger, const Hints& hints, EndCause& end) {
  MemoryEvidence evidence;
  evidence.before = hints.before;
  evidence.after = hints.after;
  evidence.limit_bytes = ledger.memory_limit_bytes();
  evidence.live_bytes = ledger.live_bytes(end.mono_ns);
  const MemoryVerdict verdict = judge_memory(evidence);
  if (verdict.confidence_percent > 0) {
    end.status = Status::kOutOfMemory;
    end.death.reason = "out of memory: " + verdict.because;
    end.death.signal = "SIGKILL";
    end.findings.push_back(memory_finding(evidence, verdict));
    return;
  }
  end.status = Status::kError;
  end.death.reason = kUnknownEnd;
}

}  // namespace

EndCause end_at_rest(Ledger& ledger, const Hints& hints) {
  EndCause end;
  end.found_later = true;
  const std::uint64_t now = recording::monotonic_ns();
  end.mono_ns = now;
  const auto newest = ledger.reader().invocation(ledger.header().started);
  const bool open = newest && newest->state != InvocationState::kEnded;
  if (open) {
    end.mono_ns = latest_end(*newest, now);
  } else if (newest && newest->ended.mono_ns != 0) {
    end.mono_ns = std::min(now, newest->ended.mono_ns);
  }
  if (const auto account = ledger.self_report()) {
    end.status = account->status;
    end.death = account->death;
    end.mono_ns = std::min(now, account->mono_ns);
    end.found_later = false;
    end.duration_known = true;
  } else if ((ledger.header().flags & recording::kFlagExited) != 0) {
    end.status = Status::kExit;
    end.death.reason = "exit";
  } else if (open && !hints.late_request.empty() && hints.late_request == newest->request_id) {
    end.status = Status::kTimeout;
    end.death.reason = "timeout: it was still running when its time was nearly over";
    end.found_later = false;
    end.duration_known = true;
  } else {
    explain_silence(ledger, hints, end);
  }
  return end;
}

namespace {

// A runtime that never asked for work failed in init: its line is that of the init.
void report_life(Ledger& ledger, const EndCause& end, const Sink& sink) {
  if (ledger.header().role == recording::Role::kRuntime && !ledger.init_ended()) {
    ledger.report_process_end(Type::kInit, end, sink);
  } else {
    ledger.report_process_end(Type::kShutdown, whole_end(end), sink);
  }
}

}  // namespace

void give_orphan(Ledger& ledger, const Hints& hints, const Sink& sink) {
  const EndCause end = end_at_rest(ledger, hints);
  if (hints.all) {
    ledger.report_init(sink);
    ledger.report_ended(sink);
  }
  if (ledger.report_open(end, sink) == 0 && !ledger.reported_so_far().whole) {
    report_life(ledger, end, sink);
  }
}

void give_everything(Ledger& ledger, const Sink& sink) {
  if (ledger.header().role == recording::Role::kRun) {
    EndCause end = whole_end(end_at_rest(ledger));
    ledger.report_process_end(Type::kRun, end, sink);
    return;
  }
  ledger.report_init(sink);
  ledger.report_ended(sink);
  if (ledger.process_runs()) {
    return;  // it still runs: open invocations go on
  }
  const EndCause end = end_at_rest(ledger);
  ledger.report_open(end, sink);
  report_life(ledger, end, sink);
}

}  // namespace lamprey::report
