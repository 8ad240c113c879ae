// What the platform itself says: each thing once as a CloudWatch line and once as a telemetry
// event. With the JSON log format the line is the event. It decides nothing about phases.
//
// Thread-safety: none; everything runs on the thread of the io_context.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "emulator/apis/extensions_api.h"
#include "emulator/apis/runtime_api.h"
#include "emulator/apis/telemetry_api.h"
#include "emulator/base/invocation.h"
#include "emulator/options/function_variables.h"
#include "emulator/output/console.h"

namespace lamprey::emulator {

// How a phase ended, in Lambda's words.
struct PhaseEnd {
  std::string status = "success";  // success · error · failure · timeout
  std::string error_type;          // empty = none
};

struct RuntimeDone {
  PhaseEnd end;
  Nanoseconds duration{0};
  std::optional<Nanoseconds> response_latency;  // request handed over → first byte of the response
  std::optional<Nanoseconds> response_duration;  // first byte → last byte
  std::uint64_t produced_bytes = 0;
};

// What a response adds to it.
void add_response(RuntimeDone& done, SteadyTime invoked, const FunctionResponse& response);

struct InvocationReport {
  PhaseEnd end;
  Nanoseconds duration{0};
  std::optional<Nanoseconds> init_duration;  // cold starts only
  std::uint64_t memory_size_mb = 0;
  std::optional<std::uint64_t> peak_bytes;
  std::optional<Nanoseconds> extension_overhead;
};

class PlatformLog {
 public:
  PlatformLog(Console& console, TelemetryApi& telemetry, const Variables& function);

  // `phase` is "init", or "invoke" for an init that is repeated inside an invocation.
  void init_start(const std::string& phase, const FunctionIdentity& function);
  void init_runtime_done(const std::string& phase, const PhaseEnd& end);
  void init_report(const std::string& phase, const PhaseEnd& end, Nanoseconds duration);
  void extension(const Extension& extension, const PhaseEnd& end);
  void telemetry_subscription(const TelemetrySettings& settings);
  void start(const Invocation& invocation, const std::string& version);
  void runtime_done(const std::string& request_id, const RuntimeDone& done);
  void timed_out(const std::string& request_id, Nanoseconds limit);
  // "RequestId: ... Error: <message>" and the type, as one log event of two lines.
  void fault(const std::string& request_id, const std::string& message, const std::string& type);
  void end_and_report(const std::string& request_id, const InvocationReport& report);

 private:
  // `text`: its line in the text format, empty where that has none.
  void say(const char* type, const nlohmann::json& record, const std::string& text);

  Console& console_;
  TelemetryApi& telemetry_;
  bool json_;
  std::string init_type_;
};

}  // namespace lamprey::emulator
