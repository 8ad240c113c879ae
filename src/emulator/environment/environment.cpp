// One execution environment: what reaches it from outside. What follows from it stands in
// environment_phases.cpp.
#include "emulator/environment/environment.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <utility>

#include "emulator/base/api_error.h"
#include "recording/place.h"

namespace lamprey::emulator {

Environment::Environment(Shared shared, const std::string& label)
    : shared_(shared),
      timer_(shared.io),
      runtime_({[this] { runtime_asked_next(); },
                [this](FunctionResponse response) { runtime_responded(std::move(response)); },
                [this](const std::string& type, const std::string& body) {
                  runtime_init_failed(type, body);
                }}),
      extensions_({[this](const Extension&) { start_runtime_if_registered(); },
                   [this](const Extension&) {
                     finish_init_if_ready();
                     finish_invoke_if_over();
                   },
                   [this](const Extension& extension, bool during_init) {
                     extension_failed(extension.name,
                                      during_init ? "Extension.InitError" : "Extension.ExitError",
                                      extension.error_type);
                   }}),
      telemetry_(
          shared.io,
          [this](const TelemetrySettings& settings) { log_.telemetry_subscription(settings); }),
      server_(shared.io, 0,
              [this](const HttpRequest& request, Respond respond) {
                handle(request, std::move(respond));
              }),
      sandbox_(shared.io, shared.reaper, shared.mapping, shared.options, label,
               {[this](bool from_extension, std::string_view line) {
                  shared_.console.process_line(line);
                  const char* category = from_extension ? "extension" : "function";
                  telemetry_.publish(category, category, std::string(line));
                },
                [this](int status) { runtime_ended(status); },
                [this](const std::string& name, int status) {
                  extension_failed(
                      name, "Extension.Crash",
                      status == 0 ? std::string("exit code 0") : describe_exit(status));
                }}),
      shutdown_(shared.io, sandbox_, extensions_),
      variables_(function_variables(shared.options, server_.port(), caller_variables())),
      log_(shared.console, telemetry_, variables_),
      function_(identify(variables_)) {
  if (directory_.path().empty()) {
    shared_.console.complain(directory_.obstacle());
  } else {
    variables_.try_emplace(recording::kDirectoryVariable, directory_.path());  // unless --env says
  }
  if (is_managed_instances(variables_)) {
    managed_.emplace(
        ManagedRequests::Parts{shared_.io, shared_.options, function_, runtime_, log_, sandbox_},
        requests_at_once(variables_));
  }
}

void Environment::handle(const HttpRequest& request, Respond respond) {
  if (RuntimeApi::owns(request.path)) {
    runtime_.handle(request, std::move(respond));
  } else if (ExtensionsApi::owns(request.path)) {
    extensions_.handle(request, std::move(respond));
  } else if (TelemetryApi::owns(request.path)) {
    telemetry_.handle(request, extensions_, respond);
  } else {
    respond({404, "404 page not found\n", "text/plain", {}});
  }
}

void Environment::invoke(Invocation invocation) {
  if (managed_) {
    managed_->add(std::move(invocation));
    if (phase_ == Phase::kCold) {
      start_init("init");
    } else if (phase_ == Phase::kIdle) {
      managed_->hand_out();
    }
    return;  // in the other phases it is handed out, or fails, with their end
  }
  current_ = std::move(invocation);
  answered_ = false;
  runtime_is_done_ = false;
  response_.reset();
  if (phase_ == Phase::kIdle) {
    sandbox_.thaw();
    telemetry_.resume();
    start_invoke();
  } else if (phase_ == Phase::kStopping) {
    // A process ended while nothing ran; the invocation waits until the rest is gone too.
    after_stop_ = [this] { repeat_init_in_invoke(); };
  } else if (repeat_init_) {
    repeat_init_in_invoke();
  } else {
    start_init("init");
  }
}

void Environment::shutdown(std::function<void()> done) {
  closing_ = true;
  closed_ = std::move(done);
  if (phase_ == Phase::kCold) {
    stopped();
    return;
  }
  if (phase_ == Phase::kStopping) {
    return;  // stopped() will come
  }
  if (phase_ == Phase::kInvoke && answered_) {
    return;  // the caller has what it asked for; its END and REPORT come first, or its timeout
  }
  if (current_) {
    answer({error_body("Sandbox.Interrupted", "The emulator was stopped"), "application/json",
            "Unhandled"});
  }
  if (managed_) {
    managed_->fail_all({"error", "Sandbox.Interrupted"}, "The emulator was stopped");
    // Nothing tells when a worker has seen that its answer was accepted; Lambda gives it time.
    limit(std::chrono::milliseconds(20), [this] { stop("spindown", {}); });
    return;
  }
  stop("spindown", {});
}

void Environment::kill_now() {
  if (phase_ != Phase::kCold) {
    sandbox_.kill_all();
  }
}

void Environment::runtime_asked_next() {
  if (phase_ == Phase::kInit) {
    if (!std::exchange(runtime_is_ready_, true)) {
      extensions_.close_registration();
      log_.init_runtime_done(init_phase_, {});
    }
    finish_init_if_ready();
  } else if (phase_ == Phase::kIdle && managed_) {
    managed_->hand_out();
  } else if (phase_ == Phase::kInvoke) {
    finish_runtime();
    finish_invoke_if_over();
  }
}

void Environment::runtime_responded(FunctionResponse response) {
  if (managed_) {
    managed_->responded(response);
    return;
  }
  if (phase_ != Phase::kInvoke) {
    return;  // it came while the environment was being stopped
  }
  response_ = std::move(response);
  answer(response_->answer);
}

void Environment::runtime_init_failed(const std::string& error_type, const std::string& body) {
  if (phase_ != Phase::kInit) {
    return;
  }
  init_error_ = Answer{body, "application/json", "Unhandled"};
  fail_init({"error", error_type}, "Runtime reported an error during init");
}

void Environment::runtime_ended(int wait_status) {
  const std::string message = wait_status == 0
                                  ? std::string("Runtime exited without providing a reason")
                                  : "Runtime exited with error: " + describe_exit(wait_status);
  switch (phase_) {
    case Phase::kInit:
      log_.init_runtime_done(init_phase_, {"error", "Runtime.ExitError"});
      fail_init({"error", "Runtime.ExitError"}, message);
      break;
    case Phase::kInvoke:
      fail_invoke({"error", "Runtime.ExitError"}, message);
      break;
    case Phase::kIdle:
      fail_between({"error", "Runtime.ExitError"}, message);
      break;
    case Phase::kStopping:
    case Phase::kCold:
      shutdown_.process_ended();
      break;
  }
}

void Environment::extension_failed(const std::string& name, const std::string& type,
                                   const std::string& message) {
  if (phase_ == Phase::kStopping || phase_ == Phase::kCold) {
    shutdown_.process_ended();
    return;
  }
  for (const auto& extension : extensions_.list()) {
    if (extension->name == name) {
      log_.extension(*extension, {"error", type});
    }
  }
  if (phase_ == Phase::kInit) {
    fail_init({"error", type}, message);
  } else if (phase_ == Phase::kInvoke) {
    fail_invoke({"error", type}, message);
  } else {
    fail_between({"error", type}, message);
  }
}

}  // namespace lamprey::emulator
