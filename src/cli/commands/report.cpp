// `lamprey report`: log lines in, tables out, one set for each function; pages and profiles on
// request.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/analysis/fleet_overview.h"
#include "cli/analysis/function_sums.h"
#include "cli/analysis/memory_profile.h"
#include "cli/commands/commands.h"
#include "cli/input/json_values.h"
#include "cli/input/log_lines.h"
#include "cli/output/fleet_page.h"
#include "cli/output/profile_files.h"
#include "cli/output/sizing.h"
#include "cli/output/tables.h"
#include "descriptors/whole.h"
#include "report/text/human.h"

namespace lamprey::cli {
namespace {

using Json = nlohmann::json;
using report::human_bytes;
using report::human_count;
using report::human_duration;

constexpr std::size_t kTopCalls = 10;
constexpr std::size_t kTopHosts = 5;

struct ReportOptions {
  std::vector<std::string> paths;
  std::string html;
  std::string flame;
  std::string pprof;
  std::string speedscope;
  std::optional<double> price_per_gb_second;
};

std::string duration(const std::optional<std::uint64_t>& ns) {
  return ns ? human_duration(*ns) : "-";
}

std::string bytes(const std::optional<std::uint64_t>& count) {
  return count ? human_bytes(static_cast<std::int64_t>(*count)) : "-";
}

std::string statuses(const FunctionSum& sum) {
  std::string joined;
  for (const auto& [status, count] : sum.statuses) {
    joined += fmt::format("{}{} {}", joined.empty() ? "" : ", ", human_count(count), status);
  }
  return joined;
}

std::string function_tables(const std::string& name, const FunctionSum& sum) {
  std::string out =
      table({{"function " + name, ""},
             {"invocations", fmt::format("{} ({})", human_count(sum.invocations), statuses(sum))},
             {"cold starts",
              human_count(std::max<std::uint64_t>(sum.cold_starts, sum.inits_ns.size()))}});
  out += "\n";
  out += table(
      {{"", "p50", "p99", "max"},
       {"init", duration(percentile(sum.inits_ns, 50)), duration(percentile(sum.inits_ns, 99)),
        duration(percentile(sum.inits_ns, 100))},
       {"duration", duration(percentile(sum.durations_ns, 50)),
        duration(percentile(sum.durations_ns, 99)), duration(percentile(sum.durations_ns, 100))},
       {"allocated", bytes(percentile(sum.allocated, 50)), bytes(percentile(sum.allocated, 99)),
        bytes(percentile(sum.allocated, 100))},
       {"live", bytes(percentile(sum.live, 50)), bytes(percentile(sum.live, 99)),
        bytes(percentile(sum.live, 100))}});
  const Rows findings = finding_rows(sum);
  const Rows ends = bad_end_rows(sum);
  const Rows hosts = host_rows(sum, kTopHosts);
  const Rows calls = call_rows(sum, kTopCalls);
  const Rows kernel = kernel_rows(sum, kTopCalls);
  out += findings.empty() ? "" : "\n" + table(findings, 3);
  out += ends.empty() ? "" : "\n" + table(ends, 1);
  out += hosts.empty() ? "" : "\n" + table(hosts);
  out += calls.empty() ? "" : "\n" + table(calls);
  out += kernel.empty() ? "" : "\n" + table(kernel);
  return out;
}

bool read_all(const std::string& path, std::string& content) {
  std::FILE* file = path == "-" ? stdin : std::fopen(path.c_str(), "rbe");
  if (file == nullptr) {
    return false;
  }
  char buffer[65536];
  std::size_t got = 0;
  while ((got = std::fread(buffer, 1, sizeof(buffer), file)) > 0) {
    content.append(buffer, got);
  }
  const bool good = std::ferror(file) == 0;
  const int error = errno;
  if (path != "-") {
    std::fclose(file);
  }
  errno = error;
  return good;
}

// False when it cannot be written; says so. "-" is standard output.
bool write_all(const char* option, const std::string& path, const std::string& content) {
  const bool standard = path == "-";
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
  const int file = standard ? STDOUT_FILENO : open(path.c_str(), kFlags, 0666);
  const bool written = file >= 0 && descriptors::write_whole(file, content);
  const bool closed = file >= 0 && (standard || close(file) == 0);
  if (!written || !closed) {
    std::fprintf(stderr, "lamprey: %s %s cannot be written: %s\n", option, path.c_str(),
                 std::strerror(errno));
  }
  return written && closed;
}

struct Sums {
  std::map<std::string, FunctionSum> functions;
  MemoryProfile profile;
  Sizing sizing;
  std::uint64_t newest_ns = 0;  // UNIX time of the newest record; 0 unknown
  LineCounts counts;
};

std::uint64_t started_ns(const Json& record) {
  std::tm utc{};
  const std::string started = text(record, "started");
  if (strptime(started.c_str(), "%Y-%m-%dT%H:%M:%S", &utc) == nullptr) {
    return 0;
  }
  const std::time_t seconds = timegm(&utc);
  return seconds > 0 ? static_cast<std::uint64_t>(seconds) * 1'000'000'000U : 0;
}

// 0, or the exit status with which to end.
int read_files(const std::vector<std::string>& paths, Sums& sums) {
  for (const std::string& path : paths) {
    std::string content;
    if (!read_all(path, content)) {
      std::fprintf(stderr, "lamprey: FILE %s cannot be read: %s\n", path.c_str(),
                   std::strerror(errno));
      return 2;
    }
    if (content.starts_with("\x1f\x8b")) {
      std::fprintf(stderr,
                   "lamprey: FILE %s is compressed: accepted is text, as in zcat FILE | lamprey "
                   "report -\n",
                   path.c_str());
      return 1;
    }
    find_records(content, sums.counts, [&sums](const Json& record) {
      const std::string name = text(record, "function_name");
      add_record(sums.functions[name.empty() ? "(no name)" : name], record);
      sums.profile.add(record);
      sums.sizing.add(record);
      sums.newest_ns = std::max(sums.newest_ns, started_ns(record));
    });
  }
  if (sums.counts.newer != 0) {
    std::fprintf(stderr, "lamprey: %llu records have a schema other than \"1\" and were skipped\n",
                 static_cast<unsigned long long>(sums.counts.newer));
  }
  if (sums.counts.records == 0) {
    std::fprintf(stderr, "lamprey: no records of Lamprey in FILE %s%s (%llu other lines)\n",
                 paths.front().c_str(), paths.size() > 1 ? " and the others" : "",
                 static_cast<unsigned long long>(sums.counts.skipped));
    return 1;
  }
  return 0;
}

int write_files(const ReportOptions& options, const Sums& sums) {
  std::string title = fmt::format("{} records", human_count(sums.counts.records));
  for (const auto& [name, sum] : sums.functions) {
    title += (&name == &sums.functions.begin()->first ? ": " : ", ") + name;
  }
  const std::string sizes = sums.sizing.table(options.price_per_gb_second);
  bool good = options.html.empty() ||
              write_all("--html", options.html, fleet_page(sums.functions, title, sizes));
  const bool profiles =
      !options.flame.empty() || !options.pprof.empty() || !options.speedscope.empty();
  const auto sites = profiles ? sums.profile.sites() : std::map<Frames, SiteSum>();
  if (profiles && sites.empty()) {
    std::fprintf(stderr,
                 "lamprey: none of the records has memory.sites (is LAMPREY_SAMPLE_BYTES 0?): "
                 "the profiles are empty\n");
    good = false;
  }
  if (!options.flame.empty()) {
    good = write_all("--flame", options.flame, flame_page(sites, title)) && good;
  }
  if (!options.pprof.empty()) {
    good = write_all("--pprof", options.pprof, pprof_file(sites, sums.newest_ns)) && good;
  }
  if (!options.speedscope.empty()) {
    good = write_all("--speedscope", options.speedscope, speedscope_file(sites, title)) && good;
  }
  return good ? 0 : 1;
}

int report_files(const ReportOptions& options) {
  Sums sums;
  if (const int status = read_files(options.paths, sums); status != 0) {
    return status;
  }
  const std::vector<NamedSum> functions = by_trouble(sums.functions);
  std::string out = functions.size() > 1 ? table(overview_rows(functions), 7) : "";
  for (const auto& [name, sum] : functions) {
    out += (out.empty() ? "" : "\n") + function_tables(name, *sum);
  }
  const std::string sizes = sums.sizing.table(options.price_per_gb_second);
  out += sizes.empty() ? "" : "\n" + sizes;
  out += fmt::format("\n{} records, {} other lines skipped\n", human_count(sums.counts.records),
                     human_count(sums.counts.skipped));
  const bool takes_stdout = options.html == "-" || options.flame == "-" || options.pprof == "-" ||
                            options.speedscope == "-";
  const bool printed = takes_stdout || write_all("standard output", "-", out);
  const int status = write_files(options, sums);
  return printed ? status : 1;
}

}  // namespace

void add_report(CLI::App& app, int& exit_status) {
  CLI::App* command = app.add_subcommand("report", "Turn log lines into tables");
  auto options = std::make_shared<ReportOptions>();
  command
      ->add_option("FILE", options->paths, "Log lines or a CloudWatch export; - is standard input")
      ->required();
  command->add_option("--html", options->html,
                      "Write tables and trends of all functions as a page");
  command->add_option("--flame", options->flame,
                      "Write an interactive flame graph of memory by call site, a page");
  command->add_option("--pprof", options->pprof, "Write memory by call site for `go tool pprof`");
  command->add_option("--speedscope", options->speedscope,
                      "Write memory by call site for speedscope");
  command
      ->add_option("--price-per-gb-second", options->price_per_gb_second,
                   "Price of one GB-second, in your currency: adds what a million invocations cost")
      ->check(CLI::Range(0.0, 1.0));
  command->callback([options, &exit_status] { exit_status = report_files(*options); });
}

}  // namespace lamprey::cli
