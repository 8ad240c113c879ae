// One run of `lamprey local`. Command-line parsing lives in src/cli/commands/local.cpp.
#include "emulator/front/local_run.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/system/system_error.hpp>
#include <cstdint>
#include <optional>
#include <utility>

#include "emulator/base/identifiers.h"
#include "emulator/front/fleet.h"
#include "emulator/front/invoke_endpoint.h"
#include "emulator/options/function_variables.h"

namespace lamprey::emulator {
namespace {

class LocalRun {
 public:
  LocalRun(const Options& options, Console::Sink sink)
      : options_(options),
        console_(options.out, std::move(sink)),
        signals_(io_, SIGINT, SIGTERM, SIGHUP),
        fleet_(io_, options_, console_) {
    signal(SIGPIPE, SIG_IGN);  // a reader of our output that goes away must not end the function
  }

  int run() {
    watch_signals();
    if (options_.serve_port) {
      serve();
    } else {
      const std::uint64_t most = options_.concurrency * requests_at_once(options_.environment);
      const std::uint64_t first = std::min(options_.invocations, most);
      for (std::uint64_t i = 0; i < first; ++i) {
        submit_one();
      }
    }
    io_.run();
    return failed_ > 0 ? 1 : 0;
  }

 private:
  void serve() {
    endpoint_.emplace(io_, *options_.serve_port, fleet_);
    console_.complain(
        fmt::format("serving on http://127.0.0.1:{}/2015-03-31/functions/function/invocations",
                    endpoint_->port()));
  }

  void submit_one() {
    ++submitted_;
    Invocation invocation;
    invocation.request_id = random_uuid();
    invocation.trace_id = random_trace_id();
    invocation.event = options_.event;
    invocation.answered = [](const Answer&) {};
    invocation.finished = [this](const Outcome& outcome) {
      failed_ += outcome.succeeded ? 0 : 1;
      ++finished_;
      boost::asio::post(io_, [this] { after_one(); });
    };
    fleet_.submit(std::move(invocation));
  }

  void after_one() {
    if (closing_) {
      return;
    }
    if (submitted_ < options_.invocations) {
      submit_one();
    } else if (finished_ == submitted_) {
      close();
    }
  }

  void close() {
    closing_ = true;
    if (endpoint_) {
      endpoint_->stop();
    }
    fleet_.shutdown([this] { io_.stop(); });
  }

  void watch_signals() {
    signals_.async_wait([this](boost::system::error_code error, int) {
      if (error) {
        return;
      }
      if (closing_) {
        fleet_.kill_now();  // a second signal: no more patience
      } else {
        failed_ += options_.serve_port ? 0 : 1;
        close();
      }
      watch_signals();
    });
  }

  const Options& options_;
  boost::asio::io_context io_{1};
  Console console_;
  boost::asio::signal_set signals_;
  Fleet fleet_;
  std::optional<InvokeEndpoint> endpoint_;
  std::uint64_t submitted_ = 0;
  std::uint64_t finished_ = 0;
  std::uint64_t failed_ = 0;
  bool closing_ = false;
};

}  // namespace

int run_local(const Options& options, Console::Sink sink) {
  try {
    LocalRun run(options, std::move(sink));
    return run.run();
  } catch (const boost::system::system_error& error) {
    Console("").complain(
        options.serve_port
            ? fmt::format("--serve {}: {}", *options.serve_port, error.code().message())
            : fmt::format("no port on 127.0.0.1: {}", error.code().message()));
    return 2;
  }
}

}  // namespace lamprey::emulator
