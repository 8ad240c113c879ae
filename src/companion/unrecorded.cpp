// Invocations that no recording knows; see the header.
#include "companion/unrecorded.h"

#include <fmt/format.h>

#include <utility>

#include "report/procfs/process.h"
#include "report/text/human.h"

namespace lamprey::companion {
namespace {

using report::ProcessFigures;
using report::Report;
using report::Status;

std::string subject_of(Status status) {
  switch (status) {
    case Status::kTimeout:
      return "Timed out";
    case Status::kOk:
      return "Ran";
    default:
      return "Did not end well";
  }
}

// The kernel counts a process's CPU time in ticks: below one, nothing is known but that.
std::string cpu_words(std::uint64_t ns) {
  constexpr std::uint64_t kTickNs = 10'000'000;
  return ns < kTickNs ? std::string("less than 10 ms") : report::human_duration(ns);
}

// "Ran, but was not recorded: 120 ms CPU in all processes, 23.0 MB resident."
std::string headline_of(Status status, const ProcessFigures& used) {
  std::string text = subject_of(status) + ", but was not recorded";
  if (used.cpu_user_ns && used.cpu_system_ns) {
    text += fmt::format(": {} CPU in all processes",
                        cpu_words(*used.cpu_user_ns + *used.cpu_system_ns));
    if (used.rss_bytes) {
      text += fmt::format(", {} resident",
                          report::human_bytes(static_cast<std::int64_t>(*used.rss_bytes)));
    }
  }
  return text + ".";
}

}  // namespace

ProcessFigures Unrecorded::look() {
  if (!report::is_running(root_, root_start_)) {
    root_ = report::find_runtime(runtime_api_);
    root_start_ = report::process_start(root_).value_or(0);
    if (open_) {
      open_->before = {};  // another process's counters
    }
  }
  return root_ != 0 ? report::figures_of_family(root_) : ProcessFigures{};
}

std::optional<Report> Unrecorded::take(const ProcessFigures& now) {
  if (!open_) {
    return std::nullopt;
  }
  const Open open = *std::exchange(open_, std::nullopt);
  Report report;
  report.type = report::Type::kInvoke;
  report.pid = root_;
  report.request_id = open.request_id;
  report.invocation = open.invocation;
  report.cold_start = open.invocation == 1;
  report.started_real_ns = open.started_real_ns;
  report.process = report::since(open.before, now);
  report.memory_limit_mb = memory_limit_mb_;
  report.coverage.mode = "process";
  report.coverage.add_unseen(
      "duration, calls and memory blocks: the runtime cannot be recorded, its processes are looked "
      "at when an event comes");
  if (!now.threads) {
    report.coverage.add_unseen("what it used: its processes had ended, or are hidden");
  }
  return report;
}

std::optional<Report> Unrecorded::begin(const lambda::Event& event, std::uint64_t now_real_ns) {
  const ProcessFigures now = look();
  auto before = take(now);
  if (before) {
    before->headline = headline_of(before->status, before->process);
  }
  open_ = Open{event.request_id, ++invocations_, now_real_ns, now};
  return before;
}

std::optional<Report> Unrecorded::end(Status status, const report::EndDescription& how) {
  const ProcessFigures now = open_ ? look() : ProcessFigures{};
  auto last = take(now);
  if (last) {
    last->status = status;
    last->death = how;
    last->headline = headline_of(status, last->process);
  }
  return last;
}

}  // namespace lamprey::companion
