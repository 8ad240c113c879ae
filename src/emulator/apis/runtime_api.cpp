// The Runtime API, version 2018-06-01. Phases, processes and time limits live elsewhere.
#include "emulator/apis/runtime_api.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>

#include "emulator/base/api_error.h"

namespace lamprey::emulator {
namespace {

namespace http = boost::beast::http;

constexpr std::string_view kPrefix = "/2018-06-01/";
constexpr std::string_view kInvocation = "/2018-06-01/runtime/invocation/";

HttpResponse accepted() { return {202, "{\"status\":\"OK\"}\n", "application/json", {}}; }

// Splits ".../invocation/<id>/<what>".
bool split_invocation(const std::string& path, std::string& id, std::string& what) {
  if (!std::string_view(path).starts_with(kInvocation)) {
    return false;
  }
  const auto slash = path.find('/', kInvocation.size());
  if (slash == std::string::npos) {
    return false;
  }
  id = path.substr(kInvocation.size(), slash - kInvocation.size());
  what = path.substr(slash + 1);
  return true;
}

std::string error_type_in(const std::string& body, const char* otherwise) {
  const auto parsed = nlohmann::json::parse(body, nullptr, false);
  if (parsed.is_object()) {
    const auto found = parsed.find("errorType");
    if (found != parsed.end() && found->is_string()) {
      return found->get<std::string>();
    }
  }
  return otherwise;
}

}  // namespace

RuntimeApi::RuntimeApi(RuntimeEvents events) : events_(std::move(events)) {}

bool RuntimeApi::owns(const std::string& path) {
  return std::string_view(path).starts_with(kPrefix);
}

void RuntimeApi::reset(bool workers) {
  workers_ = workers;
  state_ = State::kStarting;
  waiting_.clear();
  under_way_.clear();
  snapshot_ = false;
  held_.reset();
  request_id_.clear();
}

void RuntimeApi::handle(const HttpRequest& request, Respond respond) {
  const bool get = request.method == http::verb::get;
  const bool post = request.method == http::verb::post;
  std::string id;
  std::string what;
  if (get && request.path == "/2018-06-01/ping") {
    respond({200, "pong", "text/plain", {}});
  } else if (get && request.path == "/2018-06-01/runtime/invocation/next") {
    next(std::move(respond));
  } else if (get && request.path == "/2018-06-01/runtime/restore/next") {
    restore(std::move(respond));
  } else if (post && request.path == "/2018-06-01/runtime/init/error") {
    init_error(request, respond);
  } else if (post && split_invocation(request.path, id, what)) {
    invocation_request(request, respond);
  } else {
    respond({404, "404 page not found\n", "text/plain", {}});
  }
}

void RuntimeApi::refuse_state(const char* wanted, const Respond& respond) const {
  constexpr const char* kNames[] = {"Started", "Ready", "Running", "ResponseSent", "InitError"};
  respond(api_error(403, "InvalidStateTransition",
                    fmt::format("State transition from {} to {} failed for runtime. Error: State "
                                "transition is not allowed",
                                kNames[static_cast<int>(state_)], wanted)));
}

// SnapStart: init is over, the environment is frozen as a snapshot would be, and the first
// invocation restores it.
void RuntimeApi::restore(Respond respond) {
  if (state_ != State::kStarting) {
    refuse_state("Restoring", respond);
    return;
  }
  waiting_.push_back(std::move(respond));
  snapshot_ = true;
  state_ = State::kWaiting;
  events_.asked_next();
}

void RuntimeApi::next(Respond respond) {
  if (held_) {
    respond(std::move(*held_));
    held_.reset();
    return;
  }
  if (workers_ && state_ != State::kInitFailed) {
    waiting_.push_back(std::move(respond));
    state_ = State::kWaiting;
    events_.asked_next();
    return;
  }
  if (state_ == State::kRunning || state_ == State::kInitFailed) {
    refuse_state("Ready", respond);
    return;
  }
  waiting_.clear();  // a second `next` (a client that reconnected) replaces the first
  waiting_.push_back(std::move(respond));
  if (state_ == State::kWaiting) {
    return;
  }
  state_ = State::kWaiting;
  events_.asked_next();
}

void RuntimeApi::deliver(const Invocation& invocation, WallTime deadline,
                         const std::string& function_arn) {
  if (workers_) {
    under_way_.insert(invocation.request_id);
  } else {
    request_id_ = invocation.request_id;
    state_ = State::kRunning;
  }
  const auto deadline_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline.time_since_epoch()).count();
  HttpResponse response{200,
                        invocation.event,
                        "application/json",
                        {{"Lambda-Runtime-Aws-Request-Id", invocation.request_id},
                         {"Lambda-Runtime-Deadline-Ms", std::to_string(deadline_ms)},
                         {"Lambda-Runtime-Invoked-Function-Arn", function_arn},
                         {"Lambda-Runtime-Trace-Id", invocation.trace_id}}};
  if (!invocation.client_context.empty()) {
    response.headers.emplace_back("Lambda-Runtime-Client-Context", invocation.client_context);
  }
  const Respond respond = std::move(waiting_.front());  // in turn
  waiting_.pop_front();
  if (snapshot_) {
    snapshot_ = false;
    held_ = std::move(response);
    respond({200, "{}", "application/json", {}});
    return;
  }
  respond(std::move(response));
}

void RuntimeApi::init_error(const HttpRequest& request, const Respond& respond) {
  if (state_ != State::kStarting) {
    refuse_state("InitError", respond);
    return;
  }
  state_ = State::kInitFailed;
  std::string type = request.header("Lambda-Runtime-Function-Error-Type");
  if (type.empty()) {
    type = error_type_in(request.body, "Runtime.Unknown");
  }
  respond(accepted());
  events_.init_failed(type, request.body);
}

void RuntimeApi::invocation_request(const HttpRequest& request, const Respond& respond) {
  std::string id;
  std::string what;
  split_invocation(request.path, id, what);
  if (what != "response" && what != "error") {
    respond({404, "404 page not found\n", "text/plain", {}});
  } else if (!is_under_way(id)) {
    respond(api_error(400, "InvalidRequestID", "Invalid request ID"));
  } else if (!workers_ && state_ != State::kRunning) {
    refuse_state(what == "error" ? "InvocationErrorResponse" : "InvocationResponse", respond);
  } else if (what == "error") {
    error(id, request, respond);
  } else {
    response(id, request, respond);
  }
}

bool RuntimeApi::is_under_way(const std::string& request_id) const {
  return workers_ ? under_way_.contains(request_id) : request_id == request_id_;
}

void RuntimeApi::end(const std::string& request_id) {
  if (workers_) {
    under_way_.erase(request_id);
  } else {
    state_ = State::kResponded;
  }
}

void RuntimeApi::response(const std::string& id, const HttpRequest& request,
                          const Respond& respond) {
  end(id);
  const bool streaming = request.header("Lambda-Runtime-Function-Response-Mode") == "streaming";
  FunctionResponse result;
  result.request_id = id;
  result.first_byte = request.headers_at;
  result.last_byte = request.body_at;
  if (request.body.size() > (streaming ? kLargestStream : kLargestPayload)) {
    respond(api_error(413, "RequestEntityTooLarge",
                      fmt::format("Exceeded maximum allowed payload size ({} bytes).",
                                  streaming ? kLargestStream : kLargestPayload)));
    result.error_type = "Function.ResponseSizeTooLarge";
    result.answer.function_error = "Unhandled";
    result.answer.body = error_body(
        result.error_type,
        fmt::format("Response payload size exceeded maximum allowed payload size ({} bytes).",
                    kLargestPayload));
    events_.responded(std::move(result));
    return;
  }
  const std::string type = request.header("Content-Type");
  if (!type.empty()) {
    result.answer.content_type = type;
  }
  result.answer.body = request.body;
  // A stream that fails midway says so in its trailers.
  result.error_type = streaming ? request.header("Lambda-Runtime-Function-Error-Type") : "";
  if (!result.error_type.empty()) {
    result.answer.function_error = "Unhandled";
  }
  respond(accepted());
  events_.responded(std::move(result));
}

void RuntimeApi::error(const std::string& id, const HttpRequest& request, const Respond& respond) {
  end(id);
  FunctionResponse result;
  result.request_id = id;
  result.first_byte = request.headers_at;
  result.last_byte = request.body_at;
  result.error_type = request.header("Lambda-Runtime-Function-Error-Type");
  if (result.error_type.empty()) {
    result.error_type = error_type_in(request.body, "Runtime.Unknown");
  }
  result.answer.function_error = "Unhandled";
  result.answer.body = request.body;
  respond(accepted());
  events_.responded(std::move(result));
}

}  // namespace lamprey::emulator
