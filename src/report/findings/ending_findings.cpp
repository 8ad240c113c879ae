// Findings about abnormal ends that one report supports by itself; see findings.h.
#include <fmt/format.h>

#include <string_view>

#include "report/findings/findings.h"
#include "report/text/human.h"

namespace lamprey::report {
namespace {

using recording::Call;
using recording::CallClass;

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string for_how_long(const Blocked& blocked) {
  return blocked.for_ns ? fmt::format(" for {}", human_duration(*blocked.for_ns)) : std::string();
}

std::string to_whom(const Blocked& blocked) {
  return blocked.target.empty() ? std::string("somebody") : blocked.target;
}

Finding critical(const char* code, std::string text, const char* advice) {
  Finding finding;
  finding.code = code;
  finding.severity = Severity::kCritical;
  finding.text = std::move(text);
  finding.advice = advice;
  return finding;
}

// Whether a call waits for a lock. Decided by its name: flock has the class of files.
bool is_lock(std::string_view name) {
  return name.starts_with("pthread_mutex") || name.starts_with("pthread_rwlock") ||
         name.starts_with("pthread_cond") || name.starts_with("pthread_barrier") ||
         name.starts_with("sem_") || name == "futex" || name == "flock";
}

bool is_child_wait(std::string_view name) {
  return name.starts_with("wait") || name == "system" || name == "pclose";
}

std::optional<Finding> waiting_finding(const Blocked& blocked) {
  const std::string_view name = call_name(blocked);
  const CallClass kind = recording::kCallTable[static_cast<std::size_t>(blocked.call)].call_class;
  if (blocked.call == Call::k_connect || has(blocked.target, "(connecting)")) {
    return critical("timeout.connect",
                    fmt::format("Nobody answered the connect to {}{}.", to_whom(blocked),
                                for_how_long(blocked)),
                    "Give the client a connect timeout well below the function's; look at security "
                    "groups, routes and NAT, or at a server whose backlog is full.");
  }
  if (blocked.call == Call::k_getaddrinfo) {
    return critical(
        "timeout.dns",
        fmt::format("The name {} was not resolved{}.", to_whom(blocked), for_how_long(blocked)),
        "Look at the VPC's resolver and its limits; lower `timeout` and `attempts` in "
        "RES_OPTIONS so that a lost question does not cost the whole invocation.");
  }
  if (is_lock(name)) {
    return critical("timeout.lock",
                    fmt::format("A thread waited in {}{}.", name, for_how_long(blocked)),
                    "A connection pool with nothing to give, or a deadlock: give the pool's wait a "
                    "timeout, and see what the other threads are in.");
  }
  if (is_child_wait(name)) {
    return critical("timeout.child",
                    fmt::format("A child process did not end{}.", for_how_long(blocked)),
                    "Give the wait a timeout and end the child when it is over.");
  }
  if (kind == CallClass::kSleep) {
    return critical("timeout.sleep", fmt::format("It slept{}.", for_how_long(blocked)),
                    "A pause, or a retry's back-off, is longer than the function's timeout.");
  }
  if (kind == CallClass::kNetwork || (kind != CallClass::kSleep && !blocked.target.empty())) {
    return critical("timeout.answer",
                    fmt::format("{} did not answer{}.", to_whom(blocked), for_how_long(blocked)),
                    "Give the client a read timeout well below the function's, and a retry.");
  }
  return std::nullopt;
}

void add_timeout_finding(Report& report) {
  const Blocked& front = report.blocked.front();
  if (front.on_cpu) {
    report.findings.push_back(
        critical("timeout.cpu", "The handler was still computing when its time was over.",
                 "Give the function more memory (CPU grows with it) or a longer timeout; if it "
                 "should have been done long before, look for a loop that does not end."));
    return;
  }
  if (auto finding = waiting_finding(front)) {
    if (front.for_ns) {
      finding->evidence.emplace_back("for_ms",
                                     static_cast<std::int64_t>(*front.for_ns / 1'000'000));
    }
    report.findings.push_back(std::move(*finding));
  }
}

// Node and V8 call these when the heap's own limit is reached; the names are exported.
bool is_heap_limit(const Report& report) {
  return has(report.death.stack_text, "OOMErrorHandler") ||
         has(report.death.stack_text, "FatalProcessOutOfMemory") ||
         has(report.death.reason, "heap limit");
}

void add_heap_finding(Report& report) {
  Finding finding = critical(
      "memory.heap_limit", "The JavaScript heap reached its own limit, not the function's.",
      "Set --max-old-space-size in NODE_OPTIONS to about three quarters of the function's memory, "
      "or give the function more memory; then look at what is kept (memory.sites).");
  if (report.memory_limit_mb) {
    finding.evidence.emplace_back("limit_bytes", static_cast<std::int64_t>(*report.memory_limit_mb)
                                                     << 20);
  }
  report.findings.push_back(std::move(finding));
}

// java(1), -XX:+ExitOnOutOfMemoryError: "exits with 3".
constexpr std::int64_t kJavaOutOfMemory = 3;

void add_crash_finding(Report& report) {
  if (report.death.stack_overflow) {
    report.findings.push_back(
        critical("crash.recursion", "The stack ran out: " + report.death.reason + ".",
                 "Look for a recursion that does not end (the stack shows it), or for large arrays "
                 "on the stack."));
  } else if (is_heap_limit(report)) {
    add_heap_finding(report);
  } else if (report.death.signal == "SIGABRT" &&
             (has(report.death.reason, "free()") || has(report.death.reason, "malloc") ||
              has(report.death.reason, "corrupt"))) {
    report.findings.push_back(
        critical("crash.heap", "The C library found its heap damaged: " + report.death.reason + ".",
                 "A native library wrote beyond a block or freed one twice: run it under "
                 "AddressSanitizer or valgrind; the stack shows who noticed, not who did it."));
  } else if (report.death.signal == "SIGPIPE") {
    report.findings.push_back(
        critical("crash.pipe", "It wrote to a connection whose other end was closed.",
                 "Ignore SIGPIPE, or send with MSG_NOSIGNAL, and handle EPIPE."));
  }
}

}  // namespace

void add_ending_findings(Report& report) {
  if (report.type != Type::kInvoke && report.type != Type::kInit && report.type != Type::kRun) {
    return;  // a shutdown's line would repeat what that of its last invocation said
  }
  if (report.status == Status::kTimeout && !report.blocked.empty()) {
    add_timeout_finding(report);
  }
  if (report.status == Status::kCrash) {
    add_crash_finding(report);
  }
  if (report.death.exit_code == kJavaOutOfMemory && report.program == "java") {
    report.findings.push_back(
        critical("memory.java_heap",
                 "Java ended itself with status 3, as it does when its heap is "
                 "full (-XX:+ExitOnOutOfMemoryError).",
                 "Raise -Xmx in JAVA_TOOL_OPTIONS within the function's memory, or give more."));
  } else if (report.type == Type::kInvoke && report.status == Status::kExit) {
    report.findings.push_back(
        critical("exit.in_invocation",
                 "The process ended itself while an invocation ran: " + report.death.reason + ".",
                 "Return from the handler, or raise an error, instead of exiting: each exit costs "
                 "a cold start."));
  }
}

}  // namespace lamprey::report
