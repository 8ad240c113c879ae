// One execution environment: the phases and what ends each of them. What reaches it from outside
// stands in environment.cpp.
#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "emulator/base/api_error.h"
#include "emulator/base/time_text.h"
#include "emulator/environment/environment.h"

namespace lamprey::emulator {
namespace {

SteadyTime now() { return std::chrono::steady_clock::now(); }

}  // namespace

// ---- limits -----------------------------------------------------------------------------------

void Environment::limit(Nanoseconds duration, std::function<void()> expired) {
  timer_.expires_after(duration);
  // A handler that is already queued cannot be cancelled any more: the serial tells it apart.
  timer_.async_wait([this, serial = ++timer_serial_,
                     expired = std::move(expired)](boost::system::error_code error) {
    if (!error && serial == timer_serial_) {
      expired();
    }
  });
}

void Environment::lift_limit() {
  ++timer_serial_;
  timer_.cancel();
}

// ---- init -------------------------------------------------------------------------------------

void Environment::start_init(const char* phase) {
  phase_ = Phase::kInit;
  init_phase_ = phase;
  init_started_ = now();
  runtime_started_ = false;
  runtime_is_ready_ = false;
  init_error_.reset();
  init_duration_.reset();
  runtime_.reset(managed_.has_value());
  telemetry_.reset();
  extensions_.reset(function_, sandbox_.extension_names());
  log_.init_start(phase, function_);
  if (!repeat_init_) {
    limit(shared_.options.init_limit, [this] {
      fail_init({"timeout", "Sandbox.Timedout"}, "Init timed out");
    });
  }
  start_extensions();
}

void Environment::start_extensions() {
  const std::vector<std::string> names = sandbox_.extension_names();
  if (names.size() > kMaxExtensions) {
    fail_init({"error", "Extension.TooManyExtensions"},
              fmt::format("Extension limit ({}) reached", kMaxExtensions));
    return;
  }
  const Variables variables = extension_variables(variables_);
  for (const std::string& name : names) {
    const int failure = sandbox_.start_extension(name, variables);
    if (failure != 0) {
      fail_init({"error", "Extension.LaunchError"},
                fmt::format("fork/exec /opt/extensions/{}: {}", name, std::strerror(failure)));
      return;
    }
  }
  start_runtime_if_registered();
}

void Environment::start_runtime_if_registered() {
  if (phase_ != Phase::kInit || runtime_started_ || !extensions_.all_external_registered()) {
    return;
  }
  runtime_started_ = true;
  const int failure = sandbox_.start_runtime(variables_);
  if (failure != 0) {
    const auto wrapper = variables_.find("AWS_LAMBDA_EXEC_WRAPPER");
    fail_init(
        {"error", "Runtime.InvalidEntrypoint"},
        fmt::format("fork/exec {}: {}",
                    wrapper != variables_.end() ? wrapper->second : shared_.options.command.front(),
                    std::strerror(failure)));
  }
}

void Environment::finish_init_if_ready() {
  if (phase_ != Phase::kInit || !runtime_.waiting() || !extensions_.all_waiting()) {
    return;
  }
  const Nanoseconds duration = now() - init_started_;
  sandbox_.drain_output();
  for (const auto& extension : extensions_.list()) {
    log_.extension(*extension, {});
  }
  log_.init_report(init_phase_, {}, duration);
  telemetry_.close_subscriptions();
  if (!managed_) {
    sandbox_.end_burst();
  }
  if (repeat_init_) {
    dispatch();  // the invocation has begun before this init
    return;
  }
  init_duration_ = duration;
  lift_limit();
  if (managed_) {
    phase_ = Phase::kIdle;
    managed_->hand_out();
    return;
  }
  start_invoke();
}

void Environment::fail_init(const PhaseEnd& end, const std::string& message) {
  sandbox_.drain_output();
  log_.init_report(init_phase_, end, now() - init_started_);
  if (managed_) {
    managed_->fail_all(end, message);
    stop(end.status == "timeout" ? "timeout" : "failure", {});
    return;
  }
  if (repeat_init_) {
    fail_invoke(end, message);
    return;
  }
  repeat_init_ = true;
  stop(end.status == "timeout" ? "timeout" : "failure", [this] { repeat_init_in_invoke(); });
}

void Environment::repeat_init_in_invoke() {
  sandbox_.end_burst();  // only an init before the invocation has more than its share
  mark_invoke_start();
  start_init("invoke");
}

// ---- invoke -----------------------------------------------------------------------------------

void Environment::start_invoke() {
  mark_invoke_start();
  dispatch();
}

void Environment::mark_invoke_start() {
  invoke_started_ = now();
  deadline_ = std::chrono::system_clock::now() + shared_.options.timeout;
  log_.start(*current_, function_.version);
  limit(shared_.options.timeout, [this] { function_timed_out(); });
}

void Environment::dispatch() {
  phase_ = Phase::kInvoke;
  extensions_.send_invoke(*current_, deadline_);
  runtime_.deliver(*current_, deadline_, function_.arn);
}

void Environment::finish_runtime() {
  runtime_is_done_ = true;
  runtime_done_at_ = now();
  sandbox_.drain_output();
  RuntimeDone done;
  done.duration = runtime_done_at_ - invoke_started_;
  if (response_) {
    add_response(done, invoke_started_, *response_);
  }
  log_.runtime_done(current_->request_id, done);
}

void Environment::finish_invoke_if_over() {
  if (phase_ != Phase::kInvoke || !runtime_is_done_ || !extensions_.invoke_is_over()) {
    return;
  }
  lift_limit();
  sandbox_.drain_output();
  report({});
  phase_ = Phase::kIdle;
  if (closing_) {
    finish(response_ && response_->answer.function_error.empty());
    stop("spindown", {});
    return;
  }
  sandbox_.freeze();
  telemetry_.pause();
  finish(response_ && response_->answer.function_error.empty());
}

void Environment::function_timed_out() {
  sandbox_.drain_output();
  if (phase_ == Phase::kInit) {
    log_.init_report(init_phase_, {"timeout", ""}, now() - init_started_);
  }
  log_.timed_out(current_->request_id, shared_.options.timeout);
  fail_invoke({"timeout", "Sandbox.Timedout"}, fmt::format("Task timed out after {} seconds",
                                                           seconds_text(shared_.options.timeout)));
}

void Environment::fail_invoke(const PhaseEnd& end, const std::string& message) {
  lift_limit();
  sandbox_.drain_output();
  const bool timeout = end.status == "timeout";
  if (!timeout) {
    log_.fault(current_->request_id, message, end.error_type);
  }
  if (!answered_ && init_error_) {
    answer(*init_error_);
  } else if (!answered_) {
    answer({error_body(end.error_type,
                       fmt::format("RequestId: {} Error: {}", current_->request_id, message)),
            "application/json", "Unhandled"});
  }
  if (!runtime_is_done_) {
    RuntimeDone done;
    done.end = {timeout ? "timeout" : "failure", timeout ? "" : end.error_type};
    done.duration = now() - invoke_started_;
    log_.runtime_done(current_->request_id, done);
  }
  report(end);
  stop(timeout ? "timeout" : "failure", {});
}

// A process ended while nothing ran (on Managed Instances: even while something ran).
void Environment::fail_between(const PhaseEnd& end, const std::string& message) {
  if (managed_) {
    sandbox_.drain_output();
    managed_->fail_all(end, message);
  }
  stop("failure", {});
}

void Environment::report(const PhaseEnd& end) {
  InvocationReport report;
  report.end = end;
  report.duration = now() - invoke_started_;
  report.init_duration = std::exchange(init_duration_, std::nullopt);
  report.memory_size_mb = shared_.options.memory_mb;
  report.peak_bytes = sandbox_.peak_bytes();
  if (runtime_is_done_) {
    report.extension_overhead = now() - runtime_done_at_;
  }
  log_.end_and_report(current_->request_id, report);
}

void Environment::answer(const Answer& answer) {
  if (!answered_) {
    answered_ = true;
    current_->answered(answer);
  }
}

void Environment::finish(bool succeeded) {
  const Invocation invocation = std::move(*current_);
  current_.reset();
  invocation.finished({succeeded});
}

// ---- the end ----------------------------------------------------------------------------------

void Environment::stop(const char* reason, std::function<void()> next) {
  lift_limit();
  phase_ = Phase::kStopping;
  repeat_init_ = !managed_;
  after_stop_ = std::move(next);
  telemetry_.resume();
  telemetry_.flush();
  shutdown_.start(reason, [this] { stopped(); });
}

void Environment::stopped() {
  phase_ = Phase::kCold;
  const std::function<void()> next = std::exchange(after_stop_, nullptr);
  if (next && !closing_) {
    next();
    return;
  }
  if (current_) {
    answer({error_body("Sandbox.Interrupted", "The emulator was stopped"), "application/json",
            "Unhandled"});
    finish(false);
  }
  if (managed_ && managed_->any()) {  // handed in while the environment was being stopped
    if (!closing_) {
      start_init("init");
      return;
    }
    managed_->fail_all({"error", "Sandbox.Interrupted"}, "The emulator was stopped");
  }
  if (closing_ && closed_) {
    std::exchange(closed_, nullptr)();
  }
}

}  // namespace lamprey::emulator
