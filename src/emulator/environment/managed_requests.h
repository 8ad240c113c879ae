// The invocations of one environment on Managed Instances: several at the same time, each from the
// worker that took it to its answer. What an environment's phases are is not known here.
//
// Thread-safety: none; everything runs on the thread of the io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <deque>
#include <map>
#include <string>

#include "emulator/apis/runtime_api.h"
#include "emulator/base/invocation.h"
#include "emulator/options/function_variables.h"
#include "emulator/options/options.h"
#include "emulator/output/platform_log.h"
#include "emulator/sandbox/sandbox.h"

namespace lamprey::emulator {

class ManagedRequests {
 public:
  // Parts of the environment; they must outlive this.
  struct Parts {
    boost::asio::io_context& io;
    const Options& options;
    const FunctionIdentity& function;
    RuntimeApi& runtime;
    PlatformLog& log;
    Sandbox& sandbox;
  };

  ManagedRequests(Parts parts, std::size_t most) : parts_(parts), most_(most) {}

  bool has_room() const { return queue_.size() + running_.size() < most_; }
  bool any() const { return !queue_.empty() || !running_.empty(); }
  void add(Invocation invocation);  // it waits until it is handed out
  void hand_out();                  // to workers that ask, as long as there are both
  void responded(const FunctionResponse& response);
  void fail_all(const PhaseEnd& end, const std::string& message);

 private:
  struct Running {
    Running(boost::asio::io_context& io, Invocation what)
        : invocation(std::move(what)), started(std::chrono::steady_clock::now()), limit(io) {}
    Invocation invocation;
    SteadyTime started;
    boost::asio::steady_timer limit;
  };

  void start(Invocation&& invocation);
  void time_out(const std::string& request_id);
  void report(const Running& request, const PhaseEnd& end, const FunctionResponse* response);
  void fail(const Running& request, const PhaseEnd& end, const std::string& message);

  Parts parts_;
  std::size_t most_;
  std::deque<Invocation> queue_;
  std::map<std::string, Running> running_;
};

}  // namespace lamprey::emulator
