// Several invocations at a time; see the header.
#include "emulator/environment/managed_requests.h"

#include <fmt/format.h>

#include <utility>

#include "emulator/base/api_error.h"
#include "emulator/base/time_text.h"

namespace lamprey::emulator {
namespace {

SteadyTime now() { return std::chrono::steady_clock::now(); }

Answer failure(const PhaseEnd& end, const std::string& request_id, const std::string& message) {
  return {error_body(end.error_type, fmt::format("RequestId: {} Error: {}", request_id, message)),
          "application/json", "Unhandled"};
}

}  // namespace

void ManagedRequests::add(Invocation invocation) { queue_.push_back(std::move(invocation)); }

void ManagedRequests::hand_out() {
  while (!queue_.empty() && parts_.runtime.waiting()) {
    Invocation next = std::move(queue_.front());
    queue_.pop_front();
    start(std::move(next));
  }
}

void ManagedRequests::start(Invocation&& invocation) {
  const std::string id = invocation.request_id;
  Running& request = running_.try_emplace(id, parts_.io, std::move(invocation)).first->second;
  parts_.log.start(request.invocation, parts_.function.version);
  request.limit.expires_after(parts_.options.timeout);
  request.limit.async_wait([this, id](boost::system::error_code error) {
    if (!error) {
      time_out(id);
    }
  });
  parts_.runtime.deliver(request.invocation,
                         std::chrono::system_clock::now() + parts_.options.timeout,
                         parts_.function.arn);
}

// An answer that comes after the timeout finds its request gone.
void ManagedRequests::responded(const FunctionResponse& response) {
  const auto node = running_.extract(response.request_id);
  if (node.empty()) {
    return;
  }
  parts_.sandbox.drain_output();
  const Running& request = node.mapped();
  report(request, {}, &response);
  request.invocation.answered(response.answer);
  request.invocation.finished({response.answer.function_error.empty()});
}

// The function's code runs on: nothing is killed there.
void ManagedRequests::time_out(const std::string& request_id) {
  const auto node = running_.extract(request_id);
  if (node.empty()) {
    return;  // it was answered while the handler was queued
  }
  const PhaseEnd end{"timeout", "Sandbox.Timedout"};
  parts_.log.timed_out(request_id, parts_.options.timeout);
  fail(node.mapped(), end,
       fmt::format("Task timed out after {} seconds", seconds_text(parts_.options.timeout)));
}

void ManagedRequests::fail_all(const PhaseEnd& end, const std::string& message) {
  // Whoever is told may hand in more.
  for (Invocation& waits : std::exchange(queue_, {})) {
    waits.answered(failure(end, waits.request_id, message));
    waits.finished({false});
  }
  const auto failed = std::exchange(running_, {});
  for (const auto& [id, request] : failed) {
    fail(request, end, message);
  }
}

void ManagedRequests::fail(const Running& request, const PhaseEnd& end,
                           const std::string& message) {
  report(request, end, nullptr);
  request.invocation.answered(failure(end, request.invocation.request_id, message));
  request.invocation.finished({false});
}

void ManagedRequests::report(const Running& request, const PhaseEnd& end,
                             const FunctionResponse* response) {
  RuntimeDone done;
  done.end = end;
  done.duration = now() - request.started;
  if (response != nullptr) {
    add_response(done, request.started, *response);
  }
  parts_.log.runtime_done(request.invocation.request_id, done);
  InvocationReport whole;
  whole.end = end;
  whole.duration = done.duration;
  whole.memory_size_mb = parts_.options.memory_mb;
  whole.peak_bytes = parts_.sandbox.peak_bytes();
  parts_.log.end_and_report(request.invocation.request_id, whole);
}

}  // namespace lamprey::emulator
