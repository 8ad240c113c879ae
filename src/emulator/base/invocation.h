// What goes into one invocation and what comes out of it. Plain values only: no behaviour may live
// here.
#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace lamprey::emulator {

using SteadyTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;
using Nanoseconds = std::chrono::nanoseconds;

// What the caller of the function gets.
struct Answer {
  std::string body;
  std::string content_type = "application/json";
  std::string function_error;  // value of X-Amz-Function-Error; empty = the function succeeded
};

// How the invocation ended for the platform, known only after every extension is done too.
struct Outcome {
  bool succeeded = false;
};

struct Invocation {
  std::string request_id;
  std::string event;           // the JSON text handed to the runtime
  std::string trace_id;        // X-Amzn-Trace-Id
  std::string client_context;  // JSON text, may be empty
  // Both are called exactly once, on the emulator's thread; `answered` as soon as the runtime has
  // responded, `finished` when the environment can take another invocation.
  std::function<void(const Answer&)> answered;
  std::function<void(const Outcome&)> finished;
};

}  // namespace lamprey::emulator
