// One execution environment: its phases, what ends each of them and what follows. Processes,
// protocols and log lines are the parts it drives.
//
// Thread-safety: none; everything runs on the thread of the io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "emulator/apis/extensions_api.h"
#include "emulator/apis/runtime_api.h"
#include "emulator/apis/telemetry_api.h"
#include "emulator/base/http_server.h"
#include "emulator/base/invocation.h"
#include "emulator/environment/managed_requests.h"
#include "emulator/environment/shutdown.h"
#include "emulator/options/options.h"
#include "emulator/output/console.h"
#include "emulator/output/platform_log.h"
#include "emulator/sandbox/sandbox.h"
#include "recording/own_directory.h"

namespace lamprey::emulator {

class Environment {
 public:
  // What all environments of one emulator have in common; must outlive them.
  struct Shared {
    boost::asio::io_context& io;
    ChildReaper& reaper;
    const OptMapping& mapping;
    const Options& options;
    Console& console;
  };

  // Nothing is started before the first invocation. Throws boost::system::system_error when no
  // port can be had.
  Environment(Shared shared, const std::string& label);
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  bool has_room() const { return !closing_ && (managed_ ? managed_->has_room() : !current_); }
  bool is_warm() const { return phase_ == Phase::kIdle; }
  bool limits_memory() const { return sandbox_.limits_memory(); }
  bool limits_cpu() const { return sandbox_.limits_cpu(); }
  void invoke(Invocation invocation);  // only when it has room
  // Ends the environment (SHUTDOWN spindown), also in the middle of an invocation, which then
  // fails; one that is answered already ends first. `done` is called once, maybe from inside this
  // call.
  void shutdown(std::function<void()> done);
  void kill_now();

 private:
  enum class Phase { kCold, kInit, kIdle, kInvoke, kStopping };

  // environment.cpp: what happened outside
  void handle(const HttpRequest& request, Respond respond);
  void runtime_asked_next();
  void runtime_responded(FunctionResponse response);
  void runtime_init_failed(const std::string& error_type, const std::string& body);
  void runtime_ended(int wait_status);
  void extension_failed(const std::string& name, const std::string& type,
                        const std::string& message);

  // environment_phases.cpp: what follows
  void start_init(const char* phase);
  void start_extensions();
  void start_runtime_if_registered();
  void finish_init_if_ready();
  void fail_init(const PhaseEnd& end, const std::string& message);
  void start_invoke();
  void repeat_init_in_invoke();
  void mark_invoke_start();
  void dispatch();
  void finish_runtime();
  void finish_invoke_if_over();
  void fail_invoke(const PhaseEnd& end, const std::string& message);
  void fail_between(const PhaseEnd& end, const std::string& message);
  void function_timed_out();
  void report(const PhaseEnd& end);
  void answer(const Answer& answer);
  void finish(bool succeeded);
  void stop(const char* reason, std::function<void()> next);
  void stopped();
  void limit(Nanoseconds duration, std::function<void()> expired);
  void lift_limit();

  Shared shared_;
  boost::asio::steady_timer timer_;
  std::uint64_t timer_serial_ = 0;
  RuntimeApi runtime_;
  ExtensionsApi extensions_;
  TelemetryApi telemetry_;
  HttpServer server_;
  recording::OwnDirectory directory_;  // goes after the processes that use it
  Sandbox sandbox_;
  Shutdown shutdown_;
  Variables variables_;
  PlatformLog log_;
  FunctionIdentity function_;
  std::optional<ManagedRequests> managed_;  // on Managed Instances; then there is no current_

  Phase phase_ = Phase::kCold;
  bool repeat_init_ = false;  // the next init happens inside an invocation
  bool closing_ = false;
  std::function<void()> after_stop_;
  std::function<void()> closed_;

  // this init
  const char* init_phase_ = "init";
  SteadyTime init_started_;
  bool runtime_started_ = false;
  bool runtime_is_ready_ = false;
  std::optional<Nanoseconds> init_duration_;  // until the first invocation has reported it
  std::optional<Answer> init_error_;          // what the runtime posted to init/error

  // this invocation
  std::optional<Invocation> current_;
  bool answered_ = false;
  bool runtime_is_done_ = false;
  std::optional<FunctionResponse> response_;
  SteadyTime invoke_started_;
  SteadyTime runtime_done_at_;
  WallTime deadline_;
};

}  // namespace lamprey::emulator
