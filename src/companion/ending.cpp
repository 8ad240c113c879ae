// Reasons of SHUTDOWN; see the header.
#include "companion/ending.h"

namespace lamprey::companion {

report::End ending_of(lambda::ShutdownReason reason, bool exited, bool gone) {
  using lambda::ShutdownReason;
  using report::Status;
  report::End end;
  switch (reason) {
    case ShutdownReason::kSpindown:
      end.status = Status::kOk;
      break;
    case ShutdownReason::kTimeout:
      end.status = Status::kTimeout;
      end.death = "timeout";
      end.duration_known = true;  // the platform killed it at its deadline
      break;
    case ShutdownReason::kFailure:
      end.status = exited ? Status::kExit : (gone ? Status::kCrash : Status::kError);
      end.death = exited ? "exit: the process ended by itself"
                         : (gone ? "ended without exit handlers: a signal, out of memory, or _exit"
                                 : "failure: the environment was ended by the platform");
      break;
  }
  return end;
}

report::End open_ending(const report::End& end, bool exited) {
  report::End open = end;
  if (open.status == report::Status::kOk) {
    open.status = exited ? report::Status::kExit : report::Status::kError;
    open.death = "shutdown: the environment was ended while the invocation ran";
  }
  return open;
}

}  // namespace lamprey::companion
