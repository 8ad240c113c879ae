// All environments of one emulator and the queue before them.
#include "emulator/front/fleet.h"

#include <unistd.h>

#include <boost/asio/post.hpp>
#include <string>
#include <utility>

#include "emulator/base/api_error.h"

namespace lamprey::emulator {

Fleet::Fleet(boost::asio::io_context& io, const Options& options, Console& console)
    : io_(io),
      options_(options),
      console_(console),
      reaper_(io),
      mapping_(choose_mapping(options.layer, options.command.front())) {
  if (mapping_.kind == OptMapping::Kind::kRewrite) {
    console_.complain(
        "the layer cannot be mounted on /opt here (no mount namespace, or no /opt);"
        " paths below /opt/ are replaced by " +
        options.layer);
  } else if (mapping_.kind != OptMapping::Kind::kNone) {
    mapping_.hosts = write_hosts_file();
  }
}

Fleet::~Fleet() {
  if (!mapping_.hosts.empty()) {
    unlink(mapping_.hosts.c_str());
  }
}

void Fleet::submit(Invocation invocation) {
  auto finished = std::move(invocation.finished);
  invocation.finished = [this, finished = std::move(finished)](const Outcome& outcome) {
    finished(outcome);
    boost::asio::post(io_, [this] { dispatch(); });
  };
  queue_.push_back(std::move(invocation));
  dispatch();
}

void Fleet::dispatch() {
  while (!queue_.empty() && !closing_) {
    Environment* environment = free_environment();
    if (environment == nullptr) {
      return;
    }
    Invocation next = std::move(queue_.front());
    queue_.pop_front();
    environment->invoke(std::move(next));
  }
}

Environment* Fleet::free_environment() {
  Environment* cold = nullptr;
  for (const auto& environment : environments_) {
    if (environment->has_room() && environment->is_warm()) {
      return environment.get();
    }
    if (environment->has_room()) {
      cold = environment.get();
    }
  }
  if (cold == nullptr && environments_.size() < options_.concurrency) {
    environments_.push_back(std::make_unique<Environment>(
        Environment::Shared{io_, reaper_, mapping_, options_, console_},
        std::to_string(environments_.size() + 1)));
    cold = environments_.back().get();
    complain_once(*cold);
  }
  return cold;
}

void Fleet::complain_once(const Environment& environment) {
  if (environments_.size() == 1 && options_.limit_memory && !environment.limits_memory()) {
    console_.complain("the memory limit of " + std::to_string(options_.memory_mb) +
                      " MB is not enforced: no control group for memory can be made here"
                      " (that needs root)");
  }
  if (environments_.size() == 1 && options_.limit_memory && options_.limit_cpu &&
      !environment.limits_cpu()) {
    console_.complain("the function has as much CPU as there is, not the share of " +
                      std::to_string(options_.memory_mb) +
                      " MB: no control group for the CPU can be made here (that needs root)");
  }
}

void Fleet::shutdown(std::function<void()> done) {
  closing_ = true;
  for (Invocation& invocation : std::exchange(queue_, {})) {
    invocation.answered({error_body("Sandbox.Interrupted", "The emulator was stopped"),
                         "application/json", "Unhandled"});
    invocation.finished({false});
  }
  auto left = std::make_shared<std::size_t>(environments_.size());
  auto all_done = std::make_shared<std::function<void()>>(std::move(done));
  if (*left == 0) {
    (*all_done)();
    return;
  }
  for (const auto& environment : environments_) {
    environment->shutdown([left, all_done] {
      if (--*left == 0) {
        (*all_done)();
      }
    });
  }
}

void Fleet::kill_now() {
  for (const auto& environment : environments_) {
    environment->kill_now();
  }
}

}  // namespace lamprey::emulator
