// All environments of one emulator and the queue before them. What happens inside an environment
// is not known here.
//
// Thread-safety: none; everything runs on the thread of the io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "emulator/base/child_reaper.h"
#include "emulator/base/invocation.h"
#include "emulator/environment/environment.h"
#include "emulator/options/options.h"
#include "emulator/output/console.h"
#include "emulator/sandbox/opt_mapping.h"

namespace lamprey::emulator {

class Fleet {
 public:
  // `options` and `console` must outlive the fleet.
  Fleet(boost::asio::io_context& io, const Options& options, Console& console);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  // Runs in a warm environment, else in a new one up to the concurrency, else waits.
  void submit(Invocation invocation);
  // Ends every environment; what still waits in the queue fails. `done` is called once.
  void shutdown(std::function<void()> done);
  void kill_now();

 private:
  void dispatch();
  Environment* free_environment();
  void complain_once(const Environment& environment);

  boost::asio::io_context& io_;
  const Options& options_;
  Console& console_;
  ChildReaper reaper_;
  OptMapping mapping_;
  std::vector<std::unique_ptr<Environment>> environments_;
  std::deque<Invocation> queue_;
  bool closing_ = false;
};

}  // namespace lamprey::emulator
