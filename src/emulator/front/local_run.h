// One run of `lamprey local`, from checked options to exit status. Command-line parsing lives in
// src/cli/commands/local.cpp.
#pragma once

#include "emulator/options/options.h"
#include "emulator/output/console.h"

namespace lamprey::emulator {

// Blocks until all invocations are done, or with --serve until SIGINT or SIGTERM. Returns 0 when
// every invocation succeeded, else 1; one line on stderr names what went wrong with the run itself.
// Collects every child of this process: start no others meanwhile. `sink` gets the lines in place
// of standard output.
int run_local(const Options& options, Console::Sink sink = {});

}  // namespace lamprey::emulator
