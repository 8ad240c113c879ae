// What a SHUTDOWN's reason says about the process that was recorded. Pure.
#pragma once

#include "lambda/event.h"
#include "report/ledger.h"

namespace lamprey::companion {

// `exited`: its exit handlers ran. `gone`: it is known not to run any more.
report::End ending_of(lambda::ShutdownReason reason, bool exited, bool gone);

// The same for an invocation that was still open: an orderly end of the environment is no orderly
// end of an invocation.
report::End open_ending(const report::End& end, bool exited);

}  // namespace lamprey::companion
