// Report to JSON; see the header. Lists come after the single figures: CloudWatch Logs Insights
// discovers the fields of an event in order, up to a limit.
#include "cloudwatch/line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "cloudwatch/metrics.h"
#include "cloudwatch/sections.h"

namespace lamprey::cloudwatch {
namespace {

using report::Report;
using report::Status;
using report::Type;

constexpr std::uint64_t kFullEvery = 100;

std::string iso_8601(std::uint64_t real_ns) {
  const auto seconds = static_cast<std::time_t>(real_ns / 1'000'000'000U);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     real_ns / 1'000'000U % 1000);
}

bool is_full(const Report& report, Detail detail) {
  if (detail != Detail::kAuto) {
    return detail == Detail::kFull;
  }
  const bool abnormal = report.status != Status::kOk;
  const bool hundredth = report.invocation && *report.invocation % kFullEvery == 0;
  return report.type != Type::kInvoke || report.cold_start.value_or(false) || abnormal ||
         hundredth || !report.findings.empty();
}

void add_identity(Json& line, const Report& report) {
  line["lamprey"] = "1";
  line["type"] = report::name_of(report.type);
  line["status"] = report::name_of(report.status);
  put_text(line, "headline", report.headline);
  put_text(line, "request_id", report.request_id);
  put_text(line, "function_name", report.function_name);
  put_text(line, "function_version", report.function_version);
  put_text(line, "trace_id", report.trace_id);
  put(line, "cold_start", report.cold_start);
  put(line, "invocation", report.invocation);
  if (report.started_real_ns) {
    line["started"] = iso_8601(*report.started_real_ns);
  }
  put_ms(line, "duration_ms", report.duration_ns);
  put_ms(line, "response_ms", report.response_ns);
  if (report.late) {
    line["late"] = true;
  }
}

std::string render(const Report& report, const LineOptions& options, const Amount& amount) {
  Json line;
  add_identity(line, report);
  add_metrics(line, report, options);
  put_object(line, "process", process_json(report));
  put_object(line, "init", init_json(report));
  put_object(line, "platform", platform_json(report));
  put_object(line, "wall", wall_json(report));
  if (amount.full) {
    put_object(line, "system", system_json(report));
  }
  line["self"] = self_json(report, amount);
  put_object(line, "death", death_json(report));
  line["coverage"] = coverage_json(report, amount);
  put_object(line, "memory", memory_json(report, amount));
  put_object(line, "findings", findings_json(report, amount.findings));
  put_object(line, "blocked", blocked_json(report, amount.blocked));
  put_object(line, "calls", calls_json(report, amount));
  put_object(line, "network", network_json(report, amount.network));
  put_object(line, "files", files_json(report, amount.files));
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// What is cut, in this order, until the line fits: first into what is good, then into what is
// possible.
struct Step {
  std::size_t above;
  std::size_t Amount::*list;
  std::size_t to;
  const char* name;
};
constexpr Step kSteps[] = {{kGoodBytes, &Amount::files, 10, "files"},
                           {kGoodBytes, &Amount::sites, 5, "memory.sites"},
                           {kGoodBytes, &Amount::top, 10, "calls.top"},
                           {kMostBytes, &Amount::files, kTopShort, "files"},
                           {kMostBytes, &Amount::network, kTopShort, "network"},
                           {kMostBytes, &Amount::top, kTopShort, "calls.top"},
                           {kMostBytes, &Amount::sites, kTopShort, "memory.sites"},
                           {kMostBytes, &Amount::blocked, 5, "blocked"},
                           {kMostBytes, &Amount::unseen, 5, "coverage.unseen"},
                           {kMostBytes, &Amount::findings, 5, "findings"},
                           {kMostBytes, &Amount::top, 0, "calls.top"},
                           {kMostBytes, &Amount::files, 0, "files"},
                           {kMostBytes, &Amount::network, 0, "network"},
                           {kMostBytes, &Amount::sites, 0, "memory.sites"},
                           {kMostBytes, &Amount::blocked, 1, "blocked"},
                           {kMostBytes, &Amount::unseen, 1, "coverage.unseen"},
                           {kMostBytes, &Amount::findings, 1, "findings"}};

}  // namespace

std::string to_line(const Report& report, const LineOptions& options) {
  Amount amount;
  amount.full = is_full(report, options.detail);
  amount.top = amount.full ? kTopFull : kTopShort;
  amount.sites = amount.network = amount.files = amount.top;
  std::string line = render(report, options, amount);
  for (const Step& step : kSteps) {
    if (line.size() > step.above && amount.*step.list > step.to) {
      amount.*step.list = step.to;
      if (std::find(amount.truncated.begin(), amount.truncated.end(), step.name) ==
          amount.truncated.end()) {
        amount.truncated.push_back(step.name);
      }
      line = render(report, options, amount);
    }
  }
  return line;
}

bool write_line(int descriptor, const std::string& line) {
  const std::string text = line + "\n";
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t wrote = write(descriptor, text.data() + done, text.size() - done);
    if (wrote < 0 && errno == EINTR) {
      continue;
    }
    if (wrote <= 0) {
      return false;
    }
    done += static_cast<std::size_t>(wrote);
  }
  return true;
}

}  // namespace lamprey::cloudwatch
