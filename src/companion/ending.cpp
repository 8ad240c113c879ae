// Reasons of SHUTDOWN; see the header.
#include "companion/ending.h"

#include <csignal>

#include "report/ledger/at_rest.h"

namespace lamprey::companion {
namespace {

using lambda::ShutdownReason;
using report::EndCause;
using report::Status;

constexpr const char* kInitFailed = "the runtime reported an error, or an extension failed";
constexpr const char* kInitReported = "the runtime reported that init failed";

void take(EndCause& end, const report::SelfReport& account) {
  end.status = account.status;
  end.death = account.death;
}

// The platform asks a runtime to stop by SIGTERM, and the runtime obeys by exit. Before init is
// over nobody asks: AWS's emulator says spindown when a runtime has left in the middle of init.
bool is_orderly(const report::SelfReport& account, bool init_ended) {
  return account.signal == SIGTERM || (account.signal == 0 && init_ended);
}

// Whoever reports that init failed exits a moment later. Whether that was seen, and which reason
// the platform gives, decides nothing.
bool failed_by_its_own_report(const Circumstances& known) {
  return known.init_error && !(known.account && known.account->status == Status::kCrash);
}

void blame_reported_error(EndCause& end) {
  end.status = Status::kError;
  end.death.reason = kInitReported;
}

// The platform says that something failed. The process and the kernel say more precisely what.
void explain_failure(EndCause& end, const Circumstances& known) {
  if (failed_by_its_own_report(known)) {
    blame_reported_error(end);
  } else if (known.account) {
    take(end, *known.account);
  } else if (known.exited) {
    end.status = Status::kExit;
    end.death.reason = "exit: the process ended by itself";
  } else if (known.gone && known.memory.confidence_percent > 0) {
    end.status = Status::kOutOfMemory;
    end.death.reason = "out of memory: " + known.memory.because;
    end.death.signal = "SIGKILL";
    end.findings = known.findings;
  } else if (known.gone) {
    end.status = Status::kCrash;
    end.death.reason = report::kUnknownEnd;
  } else {
    end.status = Status::kError;
    end.death.reason =
        known.init_ended ? "failure: the environment was ended by the platform" : kInitFailed;
  }
}

}  // namespace

EndCause ending_of(ShutdownReason reason, const Circumstances& known) {
  EndCause end;
  switch (reason) {
    case ShutdownReason::kSpindown:
      end.status = Status::kOk;
      if (failed_by_its_own_report(known)) {
        blame_reported_error(end);
      } else if (known.account && !is_orderly(*known.account, known.init_ended)) {
        take(end, *known.account);
      }
      break;
    case ShutdownReason::kTimeout:
      end.status = Status::kTimeout;
      end.death.reason = "timeout";
      end.duration_known = true;  // the platform killed it at its deadline
      break;
    case ShutdownReason::kFailure:
      explain_failure(end, known);
      break;
  }
  return end;
}

EndCause open_ending(const EndCause& end, const Circumstances& known) {
  EndCause open = end;
  if (open.status != Status::kOk) {
    return open;
  }
  if (known.account) {
    take(open, *known.account);
  } else {
    open.status = known.exited ? Status::kExit : Status::kError;
    open.death.reason = "shutdown: the environment was ended while the invocation ran";
  }
  return open;
}

}  // namespace lamprey::companion
