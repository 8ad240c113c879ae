// `lamprey report`: log lines in, tables out, one set for each function; pages and profiles on
// request.
#include <fmt/format.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/analysis/budgets.h"
#include "cli/commands/commands.h"
#include "cli/commands/demands.h"
#include "cli/commands/output_file.h"
#include "cli/commands/reading.h"
#include "cli/commands/trace_outputs.h"
#include "cli/output/fleet_page.h"
#include "cli/output/function_tables.h"
#include "cli/output/picture.h"
#include "cli/output/profile_files.h"
#include "report/text/human.h"

namespace lamprey::cli {
namespace {

using report::human_count;

struct ReportOptions {
  std::vector<std::string> paths;
  std::string html;
  std::string flame;
  std::string pprof;
  std::string speedscope;
  bool cpu = false;  // these three draw CPU time, not memory
  std::string otlp;
  std::string perfetto;
  std::vector<std::string> fail_on;
  std::optional<double> price_per_gb_second;

  bool wants_profile() const { return !flame.empty() || !pprof.empty() || !speedscope.empty(); }
};

bool write_pictures(const ReportOptions& options, const Picture& picture, const std::string& title,
                    const std::function<std::string()>& pprof) {
  bool good =
      options.flame.empty() || write_all("--flame", options.flame, flame_page(picture, title));
  good = (options.pprof.empty() || write_all("--pprof", options.pprof, pprof())) && good;
  return (options.speedscope.empty() ||
          write_all("--speedscope", options.speedscope, speedscope_file(picture, title))) &&
         good;
}

bool write_memory(const ReportOptions& options, const Sums& sums, const std::string& title) {
  const auto sites = sums.profile.sites();
  if (sites.empty()) {
    std::fprintf(stderr,
                 "lamprey: none of the records has memory.sites (is LAMPREY_SAMPLE_BYTES 0?): "
                 "the profiles are empty\n");
  }
  return write_pictures(options, picture_of(sites), title,
                        [&] { return pprof_file(sites, sums.newest_ns); }) &&
         !sites.empty();
}

// Nothing is written where nothing was sampled: an empty picture would say that no CPU was used.
bool write_cpu(const ReportOptions& options, const Sums& sums, const std::string& title) {
  const CpuSites sites = sums.cpu.sites();
  if (sites.empty()) {
    std::fprintf(stderr, "lamprey: --cpu: %s; no picture is written\n",
                 sums.cpu.empty() ? kNoCpu : "no record has a sample of CPU time");
    return false;
  }
  return write_pictures(options, picture_of(sites), title,
                        [&] { return pprof_file(sites, sums.cpu.hz(), sums.newest_ns); });
}

int write_files(const ReportOptions& options, const Sums& sums, const FunctionDetails& details) {
  std::string title = fmt::format("{} records", human_count(sums.counts.records));
  for (const auto& [name, sum] : sums.functions) {
    title += (&name == &sums.functions.begin()->first ? ": " : ", ") + name;
  }
  const std::string sizes = sums.sizing.table(options.price_per_gb_second);
  bool good = options.html.empty() ||
              write_all("--html", options.html, fleet_page(sums.functions, title, sizes, details));
  if (options.wants_profile()) {
    const auto& write = options.cpu ? write_cpu : write_memory;
    good = write(options, sums, title) && good;
  }
  return good ? 0 : 1;
}

// Everything in words, unless a file takes standard output.
bool print_tables(const ReportOptions& options, const Sums& sums) {
  for (const std::string* path : {&options.html, &options.flame, &options.pprof,
                                  &options.speedscope, &options.otlp, &options.perfetto}) {
    if (*path == "-") {
      return true;
    }
  }
  std::string out = functions_tables(sums.functions);
  const std::string sizes = sums.sizing.table(options.price_per_gb_second);
  out += sizes.empty() ? "" : "\n" + sizes;
  out += fmt::format("\n{} records, {} other lines skipped\n", human_count(sums.counts.records),
                     human_count(sums.counts.skipped));
  return write_all("standard output", "-", out);
}

int report_files(const ReportOptions& options) {
  if (options.cpu && !options.wants_profile()) {
    std::fprintf(
        stderr,
        "lamprey: --cpu draws nothing by itself: accepted with it are --flame, --pprof and "
        "--speedscope\n");
    return 2;
  }
  Budgets budgets;
  if (!take_demands(options.fail_on, budgets)) {
    return 2;
  }
  TraceOutputs traces(options.otlp, options.perfetto);
  Reading what;
  what.profile = options.wants_profile() && !options.cpu;
  what.cpu_profile = options.cpu;
  FunctionDetails details;
  const bool page = !options.html.empty();
  if (traces.are_wanted() || !budgets.empty() || page) {
    what.each = [&](const Value& record) {
      budgets.add(record);
      if (page) {
        add_record(details[function_of(record)], record);
      }
      if (traces.are_wanted()) {
        traces.add(record);
      }
    };
  }
  Sums sums;
  if (const int status = read_sums(options.paths, what, sums); status != 0) {
    return status;
  }
  const bool printed = print_tables(options, sums);
  const int status = write_files(options, sums, details);
  const bool traced = traces.finish();
  const bool kept = complain_of(budgets);
  return printed && !sums.cut && kept && traced ? status : 1;
}

}  // namespace

void add_report(CLI::App& app, int& exit_status) {
  CLI::App* command = app.add_subcommand("report", "Turn log lines into tables");
  auto options = std::make_shared<ReportOptions>();
  command
      ->add_option(
          "FILE", options->paths,
          "Log lines or a CloudWatch export, also .gz; a folder of them; - is standard input")
      ->required();
  command->add_option("--html", options->html,
                      "Write all functions as a page: charts, waterfalls, flame graphs");
  command->add_option("--flame", options->flame,
                      "Write an interactive flame graph of memory by call site, a page");
  command->add_option("--pprof", options->pprof, "Write memory by call site for `go tool pprof`");
  command->add_option("--speedscope", options->speedscope,
                      "Write memory by call site for speedscope");
  command->add_flag("--cpu", options->cpu,
                    "--flame, --pprof and --speedscope write CPU time by function instead");
  command->add_option("--otlp", options->otlp,
                      "Write traces for OpenTelemetry's collectors (OTLP/JSON)");
  command->add_option("--perfetto", options->perfetto, "Write traces for ui.perfetto.dev");
  add_fail_on(*command, options->fail_on);
  command
      ->add_option("--price-per-gb-second", options->price_per_gb_second,
                   "Price of one GB-second, in your currency: adds what a million invocations cost")
      ->check(CLI::Range(0.0, 1.0));
  command->callback([options, &exit_status] { exit_status = report_files(*options); });
}

}  // namespace lamprey::cli
