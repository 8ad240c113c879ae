// `lamprey diff`: what changed between two sets of lines, and how sure that is.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "cli/analysis/compared_stacks.h"
#include "cli/analysis/comparison.h"
#include "cli/commands/commands.h"
#include "cli/commands/output_file.h"
#include "cli/commands/reading.h"
#include "cli/output/diff_tables.h"
#include "cli/output/printable.h"
#include "cli/output/profile_files.h"
#include "descriptors/whole.h"
#include "report/text/human.h"

namespace lamprey::cli {
namespace {

struct DiffOptions {
  std::string before;
  std::string after;
  std::optional<double> fail_on_worse;
  std::string flame;
  bool cpu = false;  // drawn is CPU time, not memory
};

struct Side {
  const char* name;
  const std::string& path;
  RunFigures figures;
  StackWeights stacks;
};

int read_side(Side& side, bool with_stacks) {
  Sums sums;
  Reading what;
  what.each = [&side, with_stacks](const Value& record) {
    side.figures.add(record);
    if (with_stacks) {
      side.stacks.add(record);
    }
  };
  const int status = read_sums({side.path}, what, sums);
  return status == 0 && sums.cut ? 1 : status;
}

std::string title_of(const Side& before, const Side& after) {
  const auto of_side = [](const Side& side) {
    std::uint64_t invocations = 0;
    for (const auto& [name, function] : side.stacks.functions()) {
      invocations += function.invocations;
    }
    return report::human_count(invocations);
  };
  const bool partial = before.stacks.is_partial() || after.stacks.is_partial();
  return fmt::format("{} invocations before, {} after{}", of_side(before), of_side(after),
                     partial ? ", those with a line of their own" : "");
}

// Nothing is written where a side was not sampled: all of the other would look new.
bool write_flame(const DiffOptions& options, const Side& before, const Side& after) {
  for (const Side* side : {&before, &after}) {
    if (side->stacks.functions().empty()) {
      const std::string why = options.cpu ? std::string("--cpu: ") + kNoCpu
                                          : std::string(
                                                "--flame: none of the records has memory.sites (is "
                                                "LAMPREY_SAMPLE_BYTES 0?)");
      std::fprintf(stderr, "lamprey: %s %s: %s; no picture is written\n", side->name,
                   printable(side->path).c_str(), why.c_str());
      return false;
    }
  }
  const auto stacks = compare_stacks(before.stacks, after.stacks);
  if (stacks.empty()) {
    std::fprintf(
        stderr,
        "lamprey: --flame: no function has samples in both BEFORE and AFTER; no picture is "
        "written\n");
    return false;
  }
  return write_all("--flame", options.flame,
                   flame_page(stacks, before.stacks.what(), title_of(before, after)));
}

// What is surely worse by more than was allowed is one line each; true when there is nothing.
bool is_good_enough(const DiffOptions& options, const Comparison& comparison) {
  if (!options.fail_on_worse) {
    return true;
  }
  const auto worse = worse_lines(comparison, *options.fail_on_worse);
  for (const std::string& line : worse) {
    std::fprintf(stderr, "lamprey: %s\n", printable(line).c_str());
  }
  return worse.empty();
}

int diff(const DiffOptions& options) {
  const bool with_stacks = !options.flame.empty();
  if (options.cpu && !with_stacks) {
    std::fprintf(stderr, "lamprey: --cpu draws nothing by itself: accepted with it is --flame\n");
    return 2;
  }
  const Compared what = options.cpu ? Compared::kCpu : Compared::kAllocated;
  Side before{"BEFORE", options.before, {}, StackWeights(what)};
  Side after{"AFTER", options.after, {}, StackWeights(what)};
  for (Side* side : {&before, &after}) {
    if (const int status = read_side(*side, with_stacks); status != 0) {
      return status;
    }
  }
  const Comparison comparison = compare(before.figures, after.figures);
  if (options.flame != "-" && !descriptors::write_whole(STDOUT_FILENO, diff_tables(comparison))) {
    std::fprintf(stderr, "lamprey: standard output cannot be written: %s\n", std::strerror(errno));
    return 1;
  }
  if (comparison.functions.empty()) {
    std::fprintf(stderr, "lamprey: no function is in both BEFORE and AFTER\n");
    return 1;
  }
  const bool drawn = !with_stacks || write_flame(options, before, after);
  return is_good_enough(options, comparison) && drawn ? 0 : 1;
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
  command->add_option("--flame", options->flame,
                      "Write a flame graph of an invocation's memory by call site, coloured by how "
                      "it changed, a page");
  command->add_flag("--cpu", options->cpu, "--flame draws CPU time by function instead");
  command->callback([options, &exit_status] { exit_status = diff(*options); });
}

}  // namespace lamprey::cli
