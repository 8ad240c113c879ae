// Report to JSON; see the header. Lists come after the single figures: CloudWatch Logs Insights
// discovers the fields of an event in order, up to a limit.
#include "cloudwatch/line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>

#include "version.h"

namespace lamprey::cloudwatch {
namespace {

using Json = nlohmann::ordered_json;
using report::Report;
using report::Status;
using report::Type;

constexpr std::size_t kTopShort = 3;
constexpr std::size_t kTopFull = 20;
constexpr std::size_t kMostBlocked = 20;
constexpr std::size_t kMostText = 512;
constexpr std::uint64_t kFullEvery = 100;

// How much of the lists is printed; each step down is taken only when the line is too long.
struct Amount {
  std::size_t top = kTopFull;
  std::size_t blocked = kMostBlocked;
  std::size_t findings = 20;
  std::size_t unseen = 20;
  Json truncated = Json::array();
};

// Milliseconds with µs resolution. A double holds every such number up to 285 years exactly enough
// to print it back.
double ms(std::uint64_t ns) {
  const std::uint64_t us = (ns + 500) / 1000;
  return static_cast<double>(us) / 1000.0;
}
double us(std::uint64_t ns) { return static_cast<double>(ns) / 1000.0; }

std::string cut(const std::string& text) {
  return text.size() <= kMostText ? text : text.substr(0, kMostText) + "...";
}

template <typename Value>
void put(Json& object, const char* key, const std::optional<Value>& value) {
  if (value) {
    object[key] = *value;
  }
}

void put_ms(Json& object, const char* key, const std::optional<std::uint64_t>& ns) {
  if (ns) {
    object[key] = ms(*ns);
  }
}

void put_text(Json& object, const char* key, const std::string& text) {
  if (!text.empty()) {
    object[key] = cut(text);
  }
}

void put_object(Json& object, const char* key, Json&& value) {
  if (!value.empty()) {
    object[key] = std::move(value);
  }
}

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

Json memory_json(const Report& report) {
  Json memory;
  if (report.memory) {
    const report::MemoryFigures& m = *report.memory;
    memory["allocations"] = m.allocations;
    memory["frees"] = m.frees;
    memory["reallocations"] = m.reallocations;
    memory["allocated_bytes"] = m.allocated_bytes;
    memory["freed_bytes"] = m.freed_bytes;
    memory["live_bytes"] = m.live_bytes;
    memory["live_delta_bytes"] = m.live_delta_bytes;
    put(memory, "peak_live_bytes", m.peak_live_bytes);
    memory["failed"] = m.failed;
  }
  put(memory, "rss_bytes", report.process.rss_bytes);
  put(memory, "peak_rss_bytes", report.process.peak_rss_bytes);
  if (report.memory_limit_mb) {
    memory["limit_bytes"] = *report.memory_limit_mb * 1024 * 1024;
  }
  return memory;
}

Json system_json(const Report& report) {
  const report::ProcessFigures& p = report.process;
  Json system;
  put_ms(system, "cpu_user_time", p.cpu_user_ns);
  put_ms(system, "cpu_system_time", p.cpu_system_ns);
  if (p.cpu_user_ns && p.cpu_system_ns) {
    system["cpu_total_time"] = ms(*p.cpu_user_ns + *p.cpu_system_ns);
  }
  put(system, "total_memory", report.memory_limit_mb);
  if (p.peak_rss_bytes) {
    const std::uint64_t used_mb = *p.peak_rss_bytes >> 20U;
    system["used_memory_max"] = used_mb;
    if (report.memory_limit_mb && *report.memory_limit_mb != 0) {
      system["memory_utilization"] = used_mb * 100 / *report.memory_limit_mb;
    }
  }
  put(system, "tmp_used", p.tmp_used);
  put(system, "tmp_max", p.tmp_max);
  put(system, "fd_use", p.fd_use);
  put(system, "fd_max", p.fd_max);
  put(system, "threads_max", p.threads);
  put(system, "rx_bytes", p.rx_bytes);
  put(system, "tx_bytes", p.tx_bytes);
  if (p.rx_bytes && p.tx_bytes) {
    system["total_network"] = *p.rx_bytes + *p.tx_bytes;
  }
  return system;
}

Json calls_json(const Report& report, std::size_t top) {
  Json calls;
  if (!report.calls) {
    return calls;
  }
  calls["total"] = report.calls->total;
  calls["errors"] = report.calls->errors;
  calls["time_ms"] = ms(report.calls->time_ns);
  Json list = Json::array();
  for (const report::CallFigures& call : report.calls->by_time) {
    if (list.size() == top) {
      break;
    }
    Json entry;
    entry["name"] = recording::kCallTable[static_cast<std::size_t>(call.call)].name;
    entry["calls"] = call.calls;
    entry["errors"] = call.errors;
    entry["total_ms"] = ms(call.total_ns);
    if (call.p50_ns != 0) {
      entry["p50_us"] = us(call.p50_ns);
      entry["p99_us"] = us(call.p99_ns);
    }
    if (call.max_ns) {
      entry["max_us"] = us(*call.max_ns);
    }
    entry["bytes"] = call.bytes;
    list.push_back(std::move(entry));
  }
  put_object(calls, "top", std::move(list));
  return calls;
}

Json blocked_json(const Report& report, std::size_t most) {
  Json list = Json::array();
  for (const report::Blocked& blocked : report.blocked) {
    if (list.size() == most) {
      break;
    }
    Json entry = {{"thread", fmt::format("{}", blocked.tid)},
                  {"call", recording::kCallTable[static_cast<std::size_t>(blocked.call)].name}};
    if (!blocked.target.empty()) {
      entry["target"] = cut(blocked.target);
    }
    put_ms(entry, "for_ms", blocked.for_ns);
    list.push_back(std::move(entry));
  }
  return list;
}

Json findings_json(const Report& report, std::size_t most) {
  Json list = Json::array();
  for (const report::Finding& finding : report.findings) {
    if (list.size() == most) {
      break;
    }
    Json entry;
    entry["code"] = finding.code;
    entry["severity"] = report::name_of(finding.severity);
    entry["text"] = cut(finding.text);
    put_text(entry, "advice", finding.advice);
    Json evidence;
    for (const auto& [name, value] : finding.evidence) {
      evidence[name] = value;
    }
    put_object(entry, "evidence", std::move(evidence));
    list.push_back(std::move(entry));
  }
  return list;
}

Json coverage_json(const Report& report, const Amount& amount) {
  const report::Coverage& c = report.coverage;
  Json coverage;
  coverage["mode"] = c.mode;
  Json unseen = Json::array();
  for (const std::string& text : c.unseen) {
    if (unseen.size() < amount.unseen) {
      unseen.push_back(cut(text));
    }
  }
  put_object(coverage, "unseen", std::move(unseen));
  Json lost;
  const auto count = [&lost](const char* key, std::uint64_t value) {
    if (value != 0) {
      lost[key] = value;
    }
  };
  count("invocations", c.invocations_lost);
  count("threads_without_slot", c.threads_without_slot);
  count("rows_refused", c.rows_refused);
  count("traffic_dropped", c.traffic_dropped);
  count("boundaries_missed", c.boundaries_missed);
  put_object(coverage, "lost", std::move(lost));
  if (!amount.truncated.empty()) {
    coverage["truncated"] = amount.truncated;
  }
  return coverage;
}

Json self_json(const Report& report) {
  Json self;
  put_ms(self, "flush_ms", report.self.flush_ns);
  put_ms(self, "attach_ms", report.self.attach_ns);
  put(self, "companion_rss_bytes", report.self.companion_rss_bytes);
  put(self, "recording_bytes", report.self.recording_bytes);
  self["dropped"] = report.self.dropped;
  self["version"] = kVersion;
  return self;
}

// Metrics want to be numbers at the root; only those that were obtained are named.
void add_metrics(Json& line, const Report& report, const LineOptions& options) {
  if (!options.metrics || report.type != Type::kInvoke || report.function_name.empty()) {
    return;
  }
  Json metrics = Json::array();
  const auto metric = [&](const char* name, const char* unit) {
    if (line.contains(name)) {
      metrics.push_back({{"Name", name}, {"Unit", unit}});
    }
  };
  if (report.process.cpu_user_ns && report.process.cpu_system_ns) {
    line["cpu_ms"] = ms(*report.process.cpu_user_ns + *report.process.cpu_system_ns);
  }
  if (report.memory) {
    line["allocated_bytes"] = report.memory->allocated_bytes;
    line["live_bytes"] = report.memory->live_bytes;
  }
  put(line, "peak_rss_bytes", report.process.peak_rss_bytes);
  if (report.calls) {
    line["syscalls"] = report.calls->total;
  }
  line["warnings"] =
      std::count_if(report.findings.begin(), report.findings.end(),
                    [](const report::Finding& f) { return f.severity != report::Severity::kInfo; });
  put_ms(line, "flush_ms", report.self.flush_ns);
  metric("duration_ms", "Milliseconds");
  metric("cpu_ms", "Milliseconds");
  metric("allocated_bytes", "Bytes");
  metric("live_bytes", "Bytes");
  metric("peak_rss_bytes", "Bytes");
  metric("syscalls", "Count");
  metric("warnings", "Count");
  metric("flush_ms", "Milliseconds");
  const std::uint64_t at_ms =
      report.started_real_ns ? *report.started_real_ns / 1'000'000U : options.now_ms;
  Json directive;
  directive["Namespace"] = options.metric_namespace;
  directive["Dimensions"] = Json::array({Json::array({"function_name"})});
  directive["Metrics"] = std::move(metrics);
  line["_aws"] = {{"Timestamp", at_ms}, {"CloudWatchMetrics", Json::array({directive})}};
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
  if (report.type == Type::kInit) {
    Json init;
    put_ms(init, "total_ms", report.init_ns);
    put(init, "files_opened", report.files_opened);
    put_object(line, "init", std::move(init));
  }
  put_object(line, "memory", memory_json(report));
  put_object(line, "system", system_json(report));
  line["self"] = self_json(report);
  Json death;
  put_text(death, "reason", report.death);
  put_text(death, "signal", report.death_signal);
  put(death, "exit_code", report.exit_code);
  put_object(line, "death", std::move(death));
  line["coverage"] = coverage_json(report, amount);
  put_object(line, "findings", findings_json(report, amount.findings));
  put_object(line, "blocked", blocked_json(report, amount.blocked));
  put_object(line, "calls", calls_json(report, amount.top));
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// What is cut, in this order, until the line fits.
struct Step {
  std::size_t Amount::*list;
  std::size_t to;
  const char* name;
};
constexpr Step kSteps[] = {
    {&Amount::top, kTopShort, "calls.top"},  {&Amount::blocked, 5, "blocked"},
    {&Amount::unseen, 5, "coverage.unseen"}, {&Amount::findings, 5, "findings"},
    {&Amount::top, 0, "calls.top"},          {&Amount::blocked, 1, "blocked"},
    {&Amount::unseen, 1, "coverage.unseen"}, {&Amount::findings, 1, "findings"}};

}  // namespace

std::string to_line(const Report& report, const LineOptions& options) {
  Amount amount;
  amount.top = is_full(report, options.detail) ? kTopFull : kTopShort;
  std::string line = render(report, options, amount);
  for (const Step& step : kSteps) {
    if (line.size() <= kMostBytes) {
      break;
    }
    if (amount.*step.list > step.to) {
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
