// What the platform itself says. It decides nothing about phases.
#include "emulator/output/platform_log.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cctype>
#include <nlohmann/json.hpp>

#include "emulator/base/time_text.h"

namespace lamprey::emulator {
namespace {

using nlohmann::json;

constexpr std::uint64_t kBytesPerMb = std::uint64_t{1} << 20;

std::int64_t whole_milliseconds(Nanoseconds duration) {
  return (duration.count() + 999'999) / 1'000'000;
}

// INIT is billed too since 2025-08-01.
std::int64_t billed_milliseconds(const InvocationReport& report) {
  return whole_milliseconds(report.duration + report.init_duration.value_or(Nanoseconds{0}));
}

std::uint64_t peak_mb(const InvocationReport& report) {
  return (*report.peak_bytes + kBytesPerMb - 1) / kBytesPerMb;
}

void add_end(json& record, const PhaseEnd& end) {
  record["status"] = end.status;
  if (!end.error_type.empty()) {
    record["errorType"] = end.error_type;
  }
}

std::string status_text(const PhaseEnd& end) {
  if (end.status == "success") {
    return {};
  }
  std::string text = fmt::format("Status: {}", end.status == "failure" ? "error" : end.status);
  // A timeout is its own explanation.
  if (!end.error_type.empty() && end.status != "timeout") {
    text += fmt::format("\tError Type: {}", end.error_type);
  }
  return text;
}

}  // namespace

void add_response(RuntimeDone& done, SteadyTime invoked, const FunctionResponse& response) {
  done.response_latency = response.first_byte - invoked;
  done.response_duration = response.last_byte - response.first_byte;
  done.produced_bytes = response.answer.body.size();
}

PlatformLog::PlatformLog(Console& console, TelemetryApi& telemetry, const Variables& function)
    : console_(console),
      telemetry_(telemetry),
      json_(logs_json(function)),
      init_type_(function.at("AWS_LAMBDA_INITIALIZATION_TYPE")) {}

void PlatformLog::say(const char* type, const json& record, const std::string& text) {
  if (json_) {
    const nlohmann::ordered_json event = {
        {"time", iso_time(std::chrono::system_clock::now())}, {"type", type}, {"record", record}};
    console_.line(event.dump());
  } else if (!text.empty()) {
    console_.line(text);
  }
  telemetry_.publish("platform", type, record);
}

void PlatformLog::init_start(const std::string& phase, const FunctionIdentity& function) {
  say("platform.initStart",
      {{"initializationType", init_type_},
       {"phase", phase},
       {"functionName", function.name},
       {"functionVersion", function.version}},
      "");
}

void PlatformLog::init_runtime_done(const std::string& phase, const PhaseEnd& end) {
  json record = {{"initializationType", init_type_}, {"phase", phase}};
  add_end(record, end);
  say("platform.initRuntimeDone", record, "");
}

void PlatformLog::init_report(const std::string& phase, const PhaseEnd& end, Nanoseconds duration) {
  json record = {{"initializationType", init_type_},
                 {"phase", phase},
                 {"metrics", {{"durationMs", milliseconds_number(duration)}}}};
  add_end(record, end);
  std::string line;
  if (end.status != "success") {
    line = fmt::format("INIT_REPORT Init Duration: {} ms\tPhase: {}\t{}\t",
                       milliseconds_text(duration), phase, status_text(end));
  }
  say("platform.initReport", record, line);
}

void PlatformLog::extension(const Extension& extension, const PhaseEnd& end) {
  constexpr const char* kStates[] = {"Started", "Registered", "Ready", "Ready", "Failed"};
  const bool failed = end.status != "success";
  const std::string state = failed ? "Failed" : kStates[static_cast<int>(extension.state)];
  json record = {{"name", extension.name}, {"state", state}, {"events", extension.events()}};
  std::string line = fmt::format("EXTENSION\tName: {}\tState: {}\tEvents: [{}]", extension.name,
                                 state, fmt::join(extension.events(), ","));
  if (failed) {
    record["errorType"] = end.error_type;
    line += fmt::format("\tError Type: {}", end.error_type);
  }
  say("platform.extension", record, line);
}

void PlatformLog::telemetry_subscription(const TelemetrySettings& settings) {
  say("platform.telemetrySubscription",
      {{"name", settings.extension}, {"state", "Subscribed"}, {"types", settings.types}},
      fmt::format("TELEMETRY\tName: {}\tState: Subscribed\tTypes: [{}]", settings.extension,
                  fmt::join(settings.types, ", ")));
}

void PlatformLog::start(const Invocation& invocation, const std::string& version) {
  say("platform.start",
      {{"requestId", invocation.request_id},
       {"version", version},
       {"tracing", {{"type", "X-Amzn-Trace-Id"}, {"value", invocation.trace_id}}}},
      fmt::format("START RequestId: {} Version: {}", invocation.request_id, version));
}

void PlatformLog::runtime_done(const std::string& request_id, const RuntimeDone& done) {
  json record = {{"requestId", request_id},
                 {"metrics",
                  {{"durationMs", milliseconds_number(done.duration)},
                   {"producedBytes", done.produced_bytes}}}};
  add_end(record, done.end);
  const std::string now = iso_time(std::chrono::system_clock::now());
  json spans = json::array();
  if (done.response_latency) {
    spans.push_back({{"name", "responseLatency"},
                     {"start", now},
                     {"durationMs", milliseconds_number(*done.response_latency)}});
  }
  if (done.response_duration) {
    spans.push_back({{"name", "responseDuration"},
                     {"start", now},
                     {"durationMs", milliseconds_number(*done.response_duration)}});
  }
  if (!spans.empty()) {
    record["spans"] = spans;
  }
  say("platform.runtimeDone", record, "");
}

void PlatformLog::timed_out(const std::string& request_id, Nanoseconds limit) {
  if (json_) {
    return;  // there runtimeDone and report carry the status
  }
  console_.line(fmt::format("{} {} Task timed out after {} seconds",
                            iso_time(std::chrono::system_clock::now()), request_id,
                            seconds_text(limit)));
}

void PlatformLog::fault(const std::string& request_id, const std::string& message,
                        const std::string& type) {
  if (json_) {
    return;  // the same
  }
  console_.line(fmt::format("RequestId: {} Error: {}\n{}", request_id, message, type));
}

void PlatformLog::end_and_report(const std::string& request_id, const InvocationReport& report) {
  if (!json_) {
    console_.line(fmt::format("END RequestId: {}", request_id));
  }
  std::string line = fmt::format(
      "REPORT RequestId: {}\tDuration: {} ms\tBilled Duration: {} ms\tMemory Size: {} MB\t",
      request_id, milliseconds_text(report.duration), billed_milliseconds(report),
      report.memory_size_mb);
  json metrics = {{"durationMs", milliseconds_number(report.duration)},
                  {"billedDurationMs", billed_milliseconds(report)},
                  {"memorySizeMB", report.memory_size_mb}};
  if (report.peak_bytes) {
    line += fmt::format("Max Memory Used: {} MB\t", peak_mb(report));
    metrics["maxMemoryUsedMB"] = peak_mb(report);
  }
  if (report.init_duration) {
    line += fmt::format("Init Duration: {} ms\t", milliseconds_text(*report.init_duration));
    metrics["initDurationMs"] = milliseconds_number(*report.init_duration);
  }
  line += status_text(report.end);
  json record = {{"requestId", request_id}, {"metrics", metrics}};
  add_end(record, report.end);
  if (report.extension_overhead) {
    record["spans"] = {{{"name", "extensionOverhead"},
                        {"start", iso_time(std::chrono::system_clock::now())},
                        {"durationMs", milliseconds_number(*report.extension_overhead)}}};
  }
  say("platform.report", record, line);
}

}  // namespace lamprey::emulator
