// Collects ended children, and the orphans that this process gets as a subreaper, and tells who
// waits for them. It starts and ends nothing. While one exists, every child of the process is
// collected by it: run nothing else that waits for children in the same process.
//
// Thread-safety: none; everything runs on the thread of the io_context.
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <functional>
#include <map>

namespace lamprey::emulator {

class ChildReaper {
 public:
  using Ended = std::function<void(int wait_status)>;

  explicit ChildReaper(boost::asio::io_context& io);
  ~ChildReaper();
  ChildReaper(const ChildReaper&) = delete;
  ChildReaper& operator=(const ChildReaper&) = delete;

  // `ended` is called once, from the io_context, never from inside watch().
  void watch(pid_t pid, Ended ended);
  void forget(pid_t pid) { watched_.erase(pid); }

 private:
  void wait();
  void collect();

  boost::asio::signal_set signals_;
  std::map<pid_t, Ended> watched_;
  int former_subreaper_ = 0;
};

}  // namespace lamprey::emulator
