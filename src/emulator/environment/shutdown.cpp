// The shutdown sequence of an environment (facts: AWS, "Lambda execution environment", shutdown
// phase). Why it is done and what comes after is decided elsewhere.
#include "emulator/environment/shutdown.h"

#include <signal.h>

#include <utility>

namespace lamprey::emulator {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kInternalBudget{500};
constexpr milliseconds kExternalBudget{2000};
constexpr int kRuntimePercent = 30;  // of the budget, for the runtime's own end

}  // namespace

Shutdown::Shutdown(boost::asio::io_context& io, Sandbox& sandbox, ExtensionsApi& extensions)
    : runtime_timer_(io), deadline_timer_(io), sandbox_(sandbox), extensions_(extensions) {}

void Shutdown::start(const std::string& reason, std::function<void()> done) {
  reason_ = reason;
  done_ = std::move(done);
  active_ = true;
  told_extensions_ = false;
  started_ = std::chrono::steady_clock::now();
  budget_ = extensions_.any_external_registered() ? kExternalBudget
            : extensions_.any_registered()        ? kInternalBudget
                                                  : milliseconds{0};
  deadline_ = std::chrono::system_clock::now() + budget_;
  sandbox_.thaw();
  kill_at(deadline_timer_, started_ + budget_, [this] { sandbox_.kill_all(); });
  stop_runtime();
  process_ended();
}

void Shutdown::stop_runtime() {
  if (!sandbox_.runtime_runs()) {
    return;
  }
  if (reason_ != "spindown" || budget_.count() == 0) {
    sandbox_.signal_runtime(SIGKILL);
    return;
  }
  sandbox_.signal_runtime(SIGTERM);
  kill_at(runtime_timer_, started_ + budget_ * kRuntimePercent / 100,
          [this] { sandbox_.signal_runtime(SIGKILL); });
}

void Shutdown::stop_extensions() {
  told_extensions_ = true;
  for (const std::string& name : sandbox_.running_extensions()) {
    if (!extensions_.send_shutdown(name, reason_, deadline_)) {
      sandbox_.kill_extension(name);
    }
  }
}

void Shutdown::process_ended() {
  if (!active_ || sandbox_.runtime_runs()) {
    return;
  }
  if (!told_extensions_) {
    stop_extensions();
  }
  if (!sandbox_.running_extensions().empty()) {
    return;
  }
  active_ = false;
  runtime_timer_.cancel();
  deadline_timer_.cancel();
  sandbox_.kill_all();
  sandbox_.drain_output();
  std::exchange(done_, nullptr)();
}

void Shutdown::kill_now() { sandbox_.kill_all(); }

void Shutdown::kill_at(boost::asio::steady_timer& timer, SteadyTime when,
                       std::function<void()> action) {
  timer.expires_at(when);
  timer.async_wait([this, action = std::move(action)](boost::system::error_code error) {
    if (!error && active_) {
      action();
    }
  });
}

}  // namespace lamprey::emulator
