// The Runtime API, version 2018-06-01: what the runtime process talks to. It keeps the runtime's
// state and reports what the runtime did; phases, processes and time limits live elsewhere.
//
// Thread-safety: none; everything runs on the thread of the io_context.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "emulator/base/http_server.h"
#include "emulator/base/invocation.h"

namespace lamprey::emulator {

inline constexpr std::size_t kLargestPayload =
    (std::size_t{6} << 20) + 100;                                        // bytes, as RAPID has it
inline constexpr std::size_t kLargestAsyncEvent = std::size_t{1} << 20;  // bytes
inline constexpr std::size_t kLargestStream = std::size_t{200} << 20;    // bytes

// What the function answered: a response, an error, or a response that was too large.
struct FunctionResponse {
  std::string request_id;
  Answer answer;
  std::string error_type;  // empty = success
  SteadyTime first_byte;
  SteadyTime last_byte;
};

// What the runtime did. Called on the io_context's thread.
struct RuntimeEvents {
  std::function<void()> asked_next;
  std::function<void(FunctionResponse)> responded;
  std::function<void(const std::string& error_type, const std::string& body)> init_failed;
};

class RuntimeApi {
 public:
  explicit RuntimeApi(RuntimeEvents events);

  static bool owns(const std::string& path);  // is this a request for the Runtime API?
  void handle(const HttpRequest& request, Respond respond);

  // Hands an invocation to the runtime (to the worker whose turn it is), which must be waiting in
  // `next`.
  void deliver(const Invocation& invocation, WallTime deadline, const std::string& function_arn);
  bool waiting() const { return workers_ ? !waiting_.empty() : state_ == State::kWaiting; }
  bool has_responded() const { return state_ == State::kResponded; }
  // A new runtime process is about to start. `workers`: whoever asks for work gets some, while
  // other work is under way too (Managed Instances).
  void reset(bool workers = false);

 private:
  enum class State { kStarting, kWaiting, kRunning, kResponded, kInitFailed };

  void next(Respond respond);
  void restore(Respond respond);
  void init_error(const HttpRequest& request, const Respond& respond);
  void invocation_request(const HttpRequest& request, const Respond& respond);
  void response(const std::string& id, const HttpRequest& request, const Respond& respond);
  void error(const std::string& id, const HttpRequest& request, const Respond& respond);
  void refuse_state(const char* wanted, const Respond& respond) const;
  bool is_under_way(const std::string& request_id) const;
  void end(const std::string& request_id);

  RuntimeEvents events_;
  State state_ = State::kStarting;  // of workers: kWaiting from the first `next` on
  std::deque<Respond> waiting_;     // one, but of workers any number
  bool workers_ = false;
  bool snapshot_ = false;             // what waits is restore/next
  std::optional<HttpResponse> held_;  // work for the `next` that follows a restore
  std::string request_id_;
  std::set<std::string> under_way_;  // with workers
};

}  // namespace lamprey::emulator
