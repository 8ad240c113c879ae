// `lamprey local`: the words of the command line. The work is done in src/emulator/.
#include <cstdio>
#include <memory>
#include <string>

#include "cli/commands/commands.h"
#include "cli/commands/own_layer.h"
#include "emulator/front/local_run.h"
#include "emulator/options/options.h"

namespace lamprey::cli {
void add_local(CLI::App& app, int& exit_status) {
  const auto raw = std::make_shared<emulator::RawOptions>();
  CLI::App* local = app.add_subcommand(
      "local", "Run a function under a local Lambda: lamprey local [OPTIONS] -- COMMAND...");
  local->add_option("--event", raw->event, "The event: a FILE or JSON text (default {})");
  local->add_option("--invocations", raw->invocations, "How many invocations (default 1)");
  local->add_option("--concurrency", raw->concurrency, "How many environments (default 1)");
  local->add_option("--timeout", raw->timeout, "The function's timeout in seconds (default 3)");
  local->add_option("--memory", raw->memory, "The function's memory in MB (default 128)");
  local->add_option("--layer", raw->layer, "An unpacked layer's DIR, used as /opt");
  local->add_option("--env", raw->environment, "K=V, a variable of the function; repeatable")
      ->allow_extra_args(false);
  local->add_option("--out", raw->out, "Append Lamprey's records to FILE");
  local->add_option("--serve", raw->serve_port,
                    "Offer the Invoke endpoint on this PORT of 127.0.0.1 (0 = any)");
  local->add_option("COMMAND", raw->command,
                    "The runtime's start command: python3 -m awslambdaric app.handler");
  local->callback([raw, &exit_status] {
    const OwnLayer layer = own_layer();
    if (!raw->layer && layer.found) {
      raw->layer = layer.folder;
    }
    emulator::Options options;
    const std::string complaint = emulator::check_options(*raw, options);
    if (!complaint.empty()) {
      std::fprintf(stderr, "lamprey local: %s\n", complaint.c_str());
      exit_status = 2;
      return;
    }
    if (!raw->layer) {
      std::fprintf(stderr,
                   "lamprey local: no layer in %s, where the zip of the layer is unpacked; the"
                   " function runs without Lamprey (--layer DIR names another place)\n",
                   layer.folder.c_str());
    }
    exit_status = emulator::run_local(options);
  });
}

}  // namespace lamprey::cli
