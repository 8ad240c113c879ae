// Findings about child processes; see children.h and findings.h.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "report/findings/children.h"
#include "report/findings/findings.h"
#include "report/text/human.h"

namespace lamprey::report {
namespace {

using recording::Call;

// Signals that nobody sends on purpose, and the one that the kernel sends for want of memory.
// (SIGTERM, SIGPIPE and their like end children every day.)
bool is_violent(std::string_view signal) {
  constexpr std::array<std::string_view, 8> kSignals = {"SIGKILL", "SIGSEGV", "SIGABRT", "SIGBUS",
                                                        "SIGILL",  "SIGFPE",  "SIGTRAP", "SIGSYS"};
  return std::find(kSignals.begin(), kSignals.end(), signal) != kSignals.end();
}

// A call in which a thread may wait for a child's pipe, or for the child itself.
bool may_wait_for_child(Call call) {
  constexpr std::array kCalls = {Call::k_poll,         Call::k_ppoll,      Call::k_select,
                                 Call::k_pselect,      Call::k_epoll_wait, Call::k_epoll_pwait,
                                 Call::k_epoll_pwait2, Call::k_read,       Call::k_readv,
                                 Call::k_waitpid,      Call::k_waitid,     Call::k_system,
                                 Call::k_pclose,       Call::k_fread,      Call::k_fgets};
  return std::find(kCalls.begin(), kCalls.end(), call) != kCalls.end();
}

// What a child's rusage says of memory includes the parent's: a child begins with its memory.
std::optional<std::uint64_t> own_memory(const Report& report, const ChildFigures& child) {
  return child.max_rss_bytes && report.process.peak_rss_bytes &&
                 *child.max_rss_bytes > *report.process.peak_rss_bytes
             ? child.max_rss_bytes
             : std::nullopt;
}

void add_killed(Report& report, const ChildFigures& child) {
  const bool memory = report.memory_kill && child.signal == "SIGKILL";
  Finding finding;
  finding.code = "children.killed";
  finding.severity = memory ? Severity::kCritical : Severity::kWarning;
  finding.text = fmt::format("The child {} {}", child_name(child), child_account(report, child));
  if (memory) {
    const std::uint64_t peak = std::max(report.process.all_peak_rss_bytes.value_or(0),
                                        report.process.peak_rss_bytes.value_or(0));
    finding.text += ": the kernel counted a kill for want of memory";
    if (peak != 0 && report.memory_limit_mb) {
      finding.text +=
          fmt::format("; all processes together were seen to hold {} of {} MB",
                      human_bytes(static_cast<std::int64_t>(peak)), *report.memory_limit_mb);
      finding.add_evidence("all_peak_rss_bytes", static_cast<std::int64_t>(peak));
    }
  }
  finding.text += ".";
  finding.advice = memory ? "A child shares the function's memory: give the function more, or let "
                            "the child hold less at once."
                          : "Look at the child's own output for why. SIGKILL comes from another "
                            "process, or from the kernel for want of memory.";
  finding.add_evidence("pid", child.pid);
  if (const auto bytes = own_memory(report, child)) {
    finding.add_evidence("max_rss_bytes", static_cast<std::int64_t>(*bytes));
  }
  report.findings.push_back(std::move(finding));
}

}  // namespace

std::string child_name(const ChildFigures& child) {
  const std::string pid = child.pid > 0 ? fmt::format("pid {}", child.pid) : std::string();
  if (child.program.empty()) {
    return pid.empty() ? std::string("(unknown)") : fmt::format("({})", pid);
  }
  return fmt::format("{} ({}{}{} argument{})", child.program, pid, pid.empty() ? "" : ", ",
                     child.arguments, child.arguments == 1 ? "" : "s");
}

std::string child_target(const ChildFigures& child) { return "the child " + child_name(child); }

std::string child_account(const Report& report, const ChildFigures& child) {
  std::string text = child.running           ? std::string("has not ended")
                     : child.forgotten       ? std::string("has ended, and nobody waited for it")
                     : !child.signal.empty() ? "was killed by " + child.signal
                     : child.exit_code ? fmt::format("ended with exit code {}", *child.exit_code)
                                       : std::string("ended");
  if (child.duration_ns) {
    text +=
        fmt::format(" {} {}", child.running ? "for" : "after", human_duration(*child.duration_ns));
  }
  if (child.cpu_ns) {
    text += fmt::format(", {} of CPU", human_duration(*child.cpu_ns));
  }
  if (const auto bytes = own_memory(report, child)) {
    text += fmt::format(", {}", human_bytes(static_cast<std::int64_t>(*bytes)));
  }
  return text;
}

const ChildFigures* longest_child(const Report& report) {
  const ChildFigures* longest = nullptr;
  for (const ChildFigures& child : report.children) {
    if (child.duration_ns && !child.earlier &&
        (longest == nullptr || *child.duration_ns > *longest->duration_ns)) {
      longest = &child;
    }
  }
  return longest;
}

const ChildFigures* child_waited_for(const Report& report) {
  if (report.blocked.empty() || report.blocked.front().on_cpu ||
      !may_wait_for_child(report.blocked.front().call)) {
    return nullptr;
  }
  const Blocked& front = report.blocked.front();
  if (front.awaited != Awaited::kUnknown && front.awaited != Awaited::kNothing) {
    return nullptr;  // a host
  }
  const bool by_pid = front.target.starts_with("pid ");
  const bool open = front.target.empty() || front.target == "a pipe" ||
                    front.target == "a socket pair" || front.target == "any child";
  const ChildFigures* found = nullptr;
  for (const ChildFigures& child : report.children) {
    const bool asked = (by_pid && front.target == fmt::format("pid {}", child.pid)) ||
                       front.target == child_target(child);
    if (child.running && (asked || (open && !child.earlier))) {
      found = &child;  // the newest
    }
  }
  return found;
}

void add_child_findings(Report& report) {
  for (const ChildFigures& child : report.children) {
    if (!child.running && !child.signalled && is_violent(child.signal)) {
      add_killed(report, child);
    }
  }
}

}  // namespace lamprey::report
