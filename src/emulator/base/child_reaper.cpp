// Collects ended children and orphans, and tells who waits for them. It starts and ends nothing.
#include "emulator/base/child_reaper.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <boost/asio/post.hpp>
#include <utility>
#include <vector>

namespace lamprey::emulator {

ChildReaper::ChildReaper(boost::asio::io_context& io) : signals_(io, SIGCHLD) {
  prctl(PR_GET_CHILD_SUBREAPER, &former_subreaper_);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  wait();
}

ChildReaper::~ChildReaper() { prctl(PR_SET_CHILD_SUBREAPER, former_subreaper_); }

void ChildReaper::watch(pid_t pid, Ended ended) {
  watched_[pid] = std::move(ended);
  // It may have ended before it was watched; its SIGCHLD has then been handled for nothing.
  boost::asio::post(signals_.get_executor(), [this] { collect(); });
}

void ChildReaper::wait() {
  signals_.async_wait([this](boost::system::error_code error, int) {
    if (error) {
      return;
    }
    wait();
    collect();
  });
}

void ChildReaper::collect() {
  // First everything is collected, then told: a callback may start a process.
  std::vector<std::pair<Ended, int>> ended;
  while (true) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0) {
      break;
    }
    const auto found = watched_.find(pid);
    if (found != watched_.end()) {
      ended.emplace_back(std::move(found->second), status);
      watched_.erase(found);
    }
  }
  for (const auto& [callback, status] : ended) {
    callback(status);
  }
}

}  // namespace lamprey::emulator
