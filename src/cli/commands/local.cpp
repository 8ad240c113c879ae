// `lamprey local`: the words of the command line. The work is done in src/emulator/.
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/commands/demands.h"
#include "cli/commands/local_lines.h"
#include "cli/commands/own_layer.h"
#include "emulator/front/local_run.h"
#include "emulator/options/options.h"

namespace lamprey::cli {
namespace {

// On a terminal people look; in a pipe programs do.
int run_and_show(const emulator::Options& options, bool raw, Budgets& budgets) {
  const bool for_people = !raw && is_terminal(STDOUT_FILENO);
  if (!for_people && budgets.empty()) {
    return emulator::run_local(options);
  }
  LocalLines lines(style_of(STDOUT_FILENO), for_people,
                   options.serve_port ? 0 : options.invocations);
  if (!budgets.empty()) {
    lines.each = [&budgets](const Value& record) { budgets.add(record); };
  }
  const int status =
      emulator::run_local(options, [&lines](std::string_view line) { lines.line(line); });
  lines.finish();
  return complain_of(budgets) || status != 0 ? status : 1;
}

}  // namespace

void add_local(CLI::App& app, int& exit_status) {
  const auto raw = std::make_shared<emulator::RawOptions>();
  const auto lines_as_they_are = std::make_shared<bool>(false);
  const auto fail_on = std::make_shared<std::vector<std::string>>();
  CLI::App* local = app.add_subcommand(
      "local", "Run a function under a local Lambda: lamprey local [OPTIONS] -- COMMAND...");
  local->add_option("--event", raw->event, "The event: a FILE or JSON text (default {})");
  local->add_option("--invocations", raw->invocations, "How many invocations (default 1)");
  local->add_option("--concurrency", raw->concurrency, "How many environments (default 1)");
  local->add_option("--timeout", raw->timeout, "The function's timeout in seconds (default 3)");
  local->add_option("--memory", raw->memory, "The function's memory in MB (default 128)");
  local->add_option("--cpu", raw->cpu,
                    "full: no limit. Else the share of a CPU that Lambda gives that memory");
  local->add_option("--layer", raw->layer, "An unpacked layer's DIR, used as /opt");
  local->add_option("--env", raw->environment, "K=V, a variable of the function; repeatable")
      ->allow_extra_args(false);
  local->add_option("--out", raw->out, "Append Lamprey's records to FILE");
  local->add_option("--serve", raw->serve_port,
                    "Offer the Invoke endpoint on this PORT of 127.0.0.1 (0 = any)");
  local->add_flag("--raw", *lines_as_they_are,
                  "The lines as CloudWatch gets them, also on a terminal");
  add_fail_on(*local, *fail_on);
  local->add_option("COMMAND", raw->command,
                    "The runtime's start command: python3 -m awslambdaric app.handler");
  local->callback([raw, lines_as_they_are, fail_on, &exit_status] {
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
    Budgets budgets;
    if (!take_demands(*fail_on, budgets)) {
      exit_status = 2;
      return;
    }
    if (!raw->layer) {
      std::fprintf(stderr,
                   "lamprey local: no layer in %s, where the zip of the layer is unpacked; the"
                   " function runs without Lamprey (--layer DIR names another place)\n",
                   layer.folder.c_str());
    }
    exit_status = run_and_show(options, *lines_as_they_are, budgets);
  });
}

}  // namespace lamprey::cli
