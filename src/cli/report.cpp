// `lamprey report`: log lines in, tables out, one set for each function.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/log_lines.h"
#include "cli/sizing.h"
#include "cli/tables.h"
#include "report/human.h"

namespace lamprey::cli {
namespace {

using Json = nlohmann::json;
using report::human_bytes;
using report::human_count;
using report::human_duration;

constexpr std::size_t kTopCalls = 10;
constexpr std::uint64_t kNsAMs = 1'000'000;

struct CallSum {
  std::uint64_t calls = 0;
  std::uint64_t errors = 0;
  std::uint64_t bytes = 0;
  std::uint64_t total_ns = 0;
};

struct FunctionSum {
  std::uint64_t invocations = 0;
  std::uint64_t cold_starts = 0;
  std::map<std::string, std::uint64_t> statuses;
  std::vector<std::uint64_t> durations_ns;
  std::vector<std::uint64_t> inits_ns;
  std::vector<std::uint64_t> allocated;
  std::vector<std::uint64_t> live;
  std::map<std::string, CallSum> calls;
};

// A member as a whole number, absent or of another kind: nothing. `by` turns ms into ns.
std::optional<std::uint64_t> number(const Json& object, const char* key, std::uint64_t by = 1) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || found == object.end() || !found->is_number()) {
    return std::nullopt;
  }
  const double value = found->get<double>() * static_cast<double>(by);
  return value >= 0 && value < 9e18
             ? std::optional<std::uint64_t>(static_cast<std::uint64_t>(value))
             : std::nullopt;
}

std::string text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

const Json& member(const Json& object, const char* key) {
  static const Json nothing;
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() ? *found : nothing;
}

void keep(std::vector<std::uint64_t>& list, const std::optional<std::uint64_t>& value) {
  if (value) {
    list.push_back(*value);
  }
}

void add(FunctionSum& sum, const Json& record) {
  const std::string type = text(record, "type");
  if (type == "init") {
    keep(sum.inits_ns, number(member(record, "init"), "total_ms", kNsAMs));
    return;
  }
  if (type != "invoke" && type != "run") {
    return;
  }
  ++sum.invocations;
  ++sum.statuses[text(record, "status")];
  sum.cold_starts += member(record, "cold_start") == true ? 1 : 0;
  keep(sum.durations_ns, number(record, "duration_ms", kNsAMs));
  keep(sum.allocated, number(member(record, "memory"), "allocated_bytes"));
  keep(sum.live, number(member(record, "memory"), "live_bytes"));
  const Json& top = member(member(record, "calls"), "top");
  for (const Json& call : top.is_array() ? top : Json::array()) {
    if (!call.is_object()) {
      continue;
    }
    CallSum& into = sum.calls[text(call, "name")];
    into.calls += number(call, "calls").value_or(0);
    into.errors += number(call, "errors").value_or(0);
    into.bytes += number(call, "bytes").value_or(0);
    into.total_ns += number(call, "total_ms", kNsAMs).value_or(0);
  }
}

std::optional<std::uint64_t> percentile(std::vector<std::uint64_t>& values, std::size_t percent) {
  if (values.empty()) {
    return std::nullopt;
  }
  std::sort(values.begin(), values.end());
  const std::size_t rank = std::max<std::size_t>(1, ((values.size() * percent) + 99) / 100);
  return values[rank - 1];
}

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

std::string function_tables(const std::string& name, FunctionSum& sum) {
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
  std::vector<std::pair<std::string, CallSum>> calls(sum.calls.begin(), sum.calls.end());
  std::sort(calls.begin(), calls.end(),
            [](const auto& a, const auto& b) { return a.second.total_ns > b.second.total_ns; });
  if (!calls.empty()) {
    std::vector<std::vector<std::string>> rows{
        {"call (where listed)", "calls", "errors", "bytes", "total"}};
    for (const auto& [call, total] : calls) {
      if (rows.size() > kTopCalls) {
        break;
      }
      rows.push_back({call, human_count(total.calls), human_count(total.errors),
                      human_bytes(static_cast<std::int64_t>(total.bytes)),
                      human_duration(total.total_ns)});
    }
    out += "\n" + table(rows);
  }
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

int report_files(const std::vector<std::string>& paths, const std::optional<double>& price) {
  std::map<std::string, FunctionSum> functions;
  Sizing sizing;
  LineCounts counts;
  for (const std::string& path : paths) {
    std::string content;
    if (!read_all(path, content)) {
      std::fprintf(stderr, "lamprey: FILE %s cannot be read: %s\n", path.c_str(),
                   std::strerror(errno));
      return 2;
    }
    find_records(content, counts, [&functions, &sizing](const Json& record) {
      sizing.add(record);
      const std::string name = text(record, "function_name");
      add(functions[name.empty() ? "(no name)" : name], record);
    });
  }
  if (counts.newer != 0) {
    std::fprintf(stderr, "lamprey: %llu records have a schema other than \"1\" and were skipped\n",
                 static_cast<unsigned long long>(counts.newer));
  }
  if (counts.records == 0) {
    std::fprintf(stderr, "lamprey: no records of Lamprey in %s (%llu other lines)\n",
                 paths.front().c_str(), static_cast<unsigned long long>(counts.skipped));
    return 1;
  }
  std::string out;
  for (auto& [name, sum] : functions) {
    out += (out.empty() ? "" : "\n") + function_tables(name, sum);
  }
  const std::string sizes = sizing.table(price);
  out += sizes.empty() ? "" : "\n" + sizes;
  out += fmt::format("\n{} records, {} other lines skipped\n", human_count(counts.records),
                     human_count(counts.skipped));
  std::fwrite(out.data(), 1, out.size(), stdout);
  return std::fflush(stdout) == 0 ? 0 : 1;
}

}  // namespace

void add_report(CLI::App& app, int& exit_status) {
  CLI::App* command = app.add_subcommand("report", "Turn log lines into tables");
  auto paths = std::make_shared<std::vector<std::string>>();
  command->add_option("FILE", *paths, "Log lines or a CloudWatch export; - is standard input")
      ->required();
  auto price = std::make_shared<std::optional<double>>();
  command
      ->add_option("--price-per-gb-second", *price,
                   "Price of one GB-second, in your currency: adds what a million invocations cost")
      ->check(CLI::Range(0.0, 1.0));
  command->callback([paths, price, &exit_status] { exit_status = report_files(*paths, *price); });
}

}  // namespace lamprey::cli
