// `lamprey diff`: what changed between two sets of lines, and how sure that is.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "cli/analysis/comparison.h"
#include "cli/commands/commands.h"
#include "cli/commands/reading.h"
#include "cli/output/diff_tables.h"
#include "cli/output/printable.h"
#include "descriptors/whole.h"

namespace lamprey::cli {
namespace {

struct DiffOptions {
  std::string before;
  std::string after;
  std::optional<double> fail_on_worse;
};

int read_side(const std::string& path, RunFigures& figures) {
  Sums sums;
  Reading what;
  what.each = [&figures](const Value& record) { figures.add(record); };
  const int status = read_sums({path}, what, sums);
  return status == 0 && sums.cut ? 1 : status;
}

int diff(const DiffOptions& options) {
  RunFigures before;
  RunFigures after;
  for (const auto& [path, figures] :
       {std::pair(&options.before, &before), std::pair(&options.after, &after)}) {
    if (const int status = read_side(*path, *figures); status != 0) {
      return status;
    }
  }
  const Comparison comparison = compare(before, after);
  if (!descriptors::write_whole(STDOUT_FILENO, diff_tables(comparison))) {
    std::fprintf(stderr, "lamprey: standard output cannot be written: %s\n", std::strerror(errno));
    return 1;
  }
  if (comparison.functions.empty()) {
    std::fprintf(stderr, "lamprey: no function is in both BEFORE and AFTER\n");
    return 1;
  }
  if (!options.fail_on_worse) {
    return 0;
  }
  const auto worse = worse_lines(comparison, *options.fail_on_worse);
  for (const std::string& line : worse) {
    std::fprintf(stderr, "lamprey: %s\n", printable(line).c_str());
  }
  return worse.empty() ? 0 : 1;
}

}  // namespace

void add_diff(CLI::App& app, int& exit_status) {
  CLI::App* command =
      app.add_subcommand("diff", "Compare two sets of lines: lamprey diff BEFORE AFTER");
  auto options = std::make_shared<DiffOptions>();
  command->add_option("BEFORE", options->before, "Lines of before: a file, also .gz, or a folder")
      ->required();
  command->add_option("AFTER", options->after, "Lines of after")->required();
  command
      ->add_option(
          "--fail-on-worse", options->fail_on_worse,
          "Exit 1 when a figure is surely worse by more than PERCENT, or a finding is more "
          "frequent")
      ->check(CLI::Range(0.0, 1000.0));
  command->callback([options, &exit_status] { exit_status = diff(*options); });
}

}  // namespace lamprey::cli
