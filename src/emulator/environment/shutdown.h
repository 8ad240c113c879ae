// The shutdown sequence of an environment: runtime first, then extensions, each within its budget.
// Why it is done and what comes after is decided elsewhere.
//
// Thread-safety: none; everything runs on the thread of the io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <string>

#include "emulator/apis/extensions_api.h"
#include "emulator/sandbox/sandbox.h"

namespace lamprey::emulator {

class Shutdown {
 public:
  Shutdown(boost::asio::io_context& io, Sandbox& sandbox, ExtensionsApi& extensions);

  // `reason` is spindown, timeout or failure. `done` is called once, when every process is gone.
  void start(const std::string& reason, std::function<void()> done);
  bool active() const { return active_; }
  void process_ended();  // tell after every process that ended
  void kill_now();

 private:
  void stop_runtime();
  void stop_extensions();
  void kill_at(boost::asio::steady_timer& timer, SteadyTime when, std::function<void()> action);

  boost::asio::steady_timer runtime_timer_;
  boost::asio::steady_timer deadline_timer_;
  Sandbox& sandbox_;
  ExtensionsApi& extensions_;
  std::string reason_;
  std::function<void()> done_;
  SteadyTime started_;
  WallTime deadline_;
  std::chrono::milliseconds budget_{0};
  bool active_ = false;
  bool told_extensions_ = false;
};

}  // namespace lamprey::emulator
