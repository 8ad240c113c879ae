// Findings about abnormal ends that one report supports by itself; see findings.h.
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "report/findings/children.h"
#include "report/findings/findings.h"
#include "report/text/frame_names.h"
#include "report/text/human.h"
#include "report/text/out_of_time.h"

namespace lamprey::report {
namespace {

using recording::Call;
using recording::CallClass;

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string for_how_long(const Blocked& blocked) {
  return blocked.for_ns
             ? fmt::format(" for {}", human_duration(std::max(*blocked.for_ns,
                                                              blocked.unanswered_ns.value_or(0))))
             : std::string();
}

std::string to_whom(const Blocked& blocked) {
  return blocked.target.empty() ? std::string("somebody") : blocked.target;
}

// What a finding says. (Smaller than a Finding, of which this room would else have twenty copies to
// move.)
struct Said {
  const char* code;
  std::string text;
  const char* advice;
};

Finding& add_critical(Report& report, Said said) {
  Finding& finding = report.findings.emplace_back();
  finding.code = said.code;
  finding.severity = Severity::kCritical;
  finding.text = std::move(said.text);
  finding.advice = said.advice;
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

std::string no_answer_text(const Blocked& blocked) {
  switch (blocked.awaited) {
    case Awaited::kFirstBytes:
      return fmt::format("{} sent nothing{}, and nothing had been sent to it.", to_whom(blocked),
                         for_how_long(blocked));
    case Awaited::kMore:
      return fmt::format("{} sent nothing more{}: all that it was asked, it had begun to answer.",
                         to_whom(blocked), for_how_long(blocked));
    default:
      return fmt::format("{} did not answer{}.", to_whom(blocked), for_how_long(blocked));
  }
}

std::optional<Said> waiting_finding(const Blocked& blocked) {
  const std::string_view name = call_name(blocked);
  const CallClass kind = recording::kCallTable[static_cast<std::size_t>(blocked.call)].call_class;
  if (blocked.call == Call::k_connect || has(blocked.target, "(connecting)")) {
    return Said{"timeout.connect",
                fmt::format("Nobody answered the connect to {}{}.", to_whom(blocked),
                            for_how_long(blocked)),
                "Give the client a connect timeout well below the function's; look at security "
                "groups, routes and NAT, or at a server whose backlog is full."};
  }
  if (blocked.call == Call::k_getaddrinfo) {
    return Said{
        "timeout.dns",
        fmt::format("The name {} was not resolved{}.", to_whom(blocked), for_how_long(blocked)),
        "Look at the VPC's resolver and its limits; lower `timeout` and `attempts` in "
        "RES_OPTIONS so that a lost question does not cost the whole invocation."};
  }
  if (blocked.in_handshake) {
    return Said{"network.tls",
                fmt::format("The TLS handshake with {} was not finished{}.", to_whom(blocked),
                            for_how_long(blocked)),
                "Give the client a connect timeout well below the function's; look at the "
                "other side's log and load, and whether that port speaks TLS."};
  }
  if (blocked.timer_ns && blocked.target.empty()) {
    return Said{
        "timeout.sleep",
        fmt::format("The event loop waited{} for a timer, to be woken after {} at the latest; no "
                    "host, child or other thread is known that it waited for.",
                    for_how_long(blocked), human_duration(*blocked.timer_ns)),
        "A pause, a retry's back-off or a wait with a limit is longer than the function's "
        "timeout."};
  }
  if (blocked.awaited == Awaited::kOwnThread) {
    return Said{"timeout.lock",
                fmt::format("A thread waited in {}{} for another thread of the process, on a "
                            "pipe between them.",
                            name, for_how_long(blocked)),
                "See what the other threads are in (blocked), and give the wait a timeout."};
  }
  if (is_lock(name)) {
    return Said{"timeout.lock",
                fmt::format("A thread waited in {}{}.", name, for_how_long(blocked)),
                "A connection pool with nothing to give, or a deadlock: give the pool's wait a "
                "timeout, and see what the other threads are in."};
  }
  if (is_child_wait(name)) {
    return Said{"timeout.child",
                fmt::format("A child process did not end{}.", for_how_long(blocked)),
                "Give the wait a timeout and end the child when it is over."};
  }
  if (kind == CallClass::kSleep) {
    return Said{"timeout.sleep", fmt::format("It slept{}.", for_how_long(blocked)),
                "A pause, or a retry's back-off, is longer than the function's timeout."};
  }
  if (kind == CallClass::kNetwork || (kind != CallClass::kSleep && !blocked.target.empty())) {
    return Said{"timeout.answer", no_answer_text(blocked),
                "Give the client a read timeout well below the function's, and a retry."};
  }
  return std::nullopt;
}

Said cpu_finding(const std::string& text) {
  return Said{"timeout.cpu", text,
              "Give the function more memory (CPU grows with it) or a longer timeout; if it "
              "should have been done long before, look for a loop that does not end."};
}

// " Thread 3 holds the lock, in clock_nanosleep: refill (/var/task/app.py:8)."
std::string holder_text(const Report& report, const Blocked& front) {
  const auto holder = std::find_if(
      report.blocked.begin(), report.blocked.end(),
      [&front](const Blocked& each) { return front.holder != 0 && each.tid == front.holder; });
  if (holder == report.blocked.end() || !is_lock(call_name(front))) {
    return "";
  }
  const auto own = std::find_if(holder->stack.begin(), holder->stack.end(), [](const Frame& frame) {
    return frame.function && origin_of(frame) == Origin::kOwn;
  });
  return fmt::format(" Thread {} holds the lock, {}{}.", holder->tid,
                     holder->on_cpu ? "on CPU" : fmt::format("in {}", call_name(*holder)),
                     own == holder->stack.end() ? "" : fmt::format(": {}", function_text(*own)));
}

// What the first of the threads was in, and whether the handler waited for it.
Finding* add_last_call_finding(Report& report, const Blocked& front) {
  const bool other = front.sure_percent != 0;
  const CallClass kind = recording::kCallTable[static_cast<std::size_t>(front.call)].call_class;
  auto said = front.on_cpu ? std::optional(cpu_finding(fmt::format(
                                 "{} was still computing when its time was over.",
                                 other ? fmt::format("Thread {}", front.tid) : "The handler")))
                           : waiting_finding(front);
  if (!said) {
    return nullptr;
  }
  Finding& finding = add_critical(report, std::move(*said));
  if (is_of_program(front.stack)) {
    finding.site = front.stack;
    finding.after = front.after;
  }
  if (other && !front.on_cpu && (kind == CallClass::kSleep || kind == CallClass::kLock)) {
    finding.text += fmt::format(" That is thread {}, and the handler waits for it.", front.tid);
  } else if (other) {
    finding.text += fmt::format(" Thread {} {}, and the handler waits for that thread.", front.tid,
                                front.on_cpu ? "computes" : "waits for it");
  }
  if (other) {
    finding.add_evidence("confidence_percent", front.sure_percent);
  }
  finding.text += holder_text(report, front);
  return &finding;
}

// With a capital.
std::string sentence(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') {
    text[0] = static_cast<char>(text[0] - 'a' + 'A');
  }
  return text;
}

// Where no single call took the time: what most of it went into.
std::optional<Said> account_finding(const TimeAccount& account) {
  const std::string text = account.text + ".";
  switch (account.by) {
    case OutOfTime::kIdleLoop:
      return Said{"timeout.idle_loop", sentence(text),
                  "Close the connection, or unref() it, when the work is done; with a callback "
                  "handler on Node.js set context.callbackWaitsForEmptyEventLoop to false."};
    case OutOfTime::kCalls:
      return Said{"timeout.calls", text,
                  "Ask for many at once, or in parallel; where each call is slow, look at the "
                  "other side; or give the function more time."};
    case OutOfTime::kDns:
      return Said{"timeout.dns", text,
                  "Keep connections open, and look at the VPC's resolver and its limits."};
    case OutOfTime::kLocks:
      return Said{"timeout.lock", text,
                  "See what the other threads are in (blocked, calls.top): do less while a lock "
                  "is held, and give waits a timeout."};
    case OutOfTime::kSleep:
      return Said{"timeout.sleep", text,
                  "Pauses, a retry's back-off or timers took the time: sleep less, or let the "
                  "function be called again."};
    case OutOfTime::kChildren:
      return Said{"timeout.child", text,
                  "Do the work in the process, or keep the child between invocations."};
    case OutOfTime::kCpu:
      return cpu_finding(text);
    default:
      return std::nullopt;
  }
}

// Where no single call took the time.
Finding* add_account_finding(Report& report, const TimeAccount& account) {
  auto said = account_finding(account);
  return said ? &add_critical(report, std::move(*said)) : nullptr;
}

void add_timeout_finding(Report& report) {
  if (const ChildFigures* child = child_waited_for(report)) {
    Finding& finding = add_critical(
        report, {"timeout.child",
                 fmt::format("The child {} {}; the handler waits for it or for its pipe.",
                             child_name(*child), child_account(report, *child)),
                 "Give the wait a timeout and end the child when it is over; a child that asks a "
                 "question needs its standard input closed."});
    finding.evidence = {
        {"pid", child->pid},
        {"for_ms", static_cast<std::int64_t>(child->duration_ns.value_or(0) / 1'000'000)}};
    return;
  }
  const TimeAccount account = why_out_of_time(report);
  const bool last = account.by == OutOfTime::kLastCall;
  Finding* finding = last ? add_last_call_finding(report, report.blocked.front())
                          : add_account_finding(report, account);
  if (finding == nullptr) {
    return;
  }
  if (account.ns != 0) {
    finding->add_evidence(last ? "for_ms" : "ms",
                          static_cast<std::int64_t>(account.ns / 1'000'000));
  }
  if (account.host != nullptr) {
    finding->add_evidence("calls", static_cast<std::int64_t>(account.host->answers));
    finding->add_evidence("longest_ms",
                          static_cast<std::int64_t>(account.host->longest_ns / 1'000'000));
  }
}

// Where it happened, if the program's own code is there.
Stack own_stack(const Report& report) {
  return is_of_program(report.death.stack) ? report.death.stack : Stack();
}

// Node and V8 call these when the heap's own limit is reached; the names are exported.
bool is_heap_limit(const Report& report) {
  return has(report.death.stack_text, "OOMErrorHandler") ||
         has(report.death.stack_text, "FatalProcessOutOfMemory") ||
         has(report.death.reason, "heap limit");
}

void add_heap_finding(Report& report) {
  Finding& finding = add_critical(
      report,
      {"memory.heap_limit", "The JavaScript heap reached its own limit, not the function's.",
       "Set --max-old-space-size in NODE_OPTIONS to about three quarters of the function's memory, "
       "or give the function more memory; then look at what is kept (memory.sites)."});
  if (report.memory_limit_mb) {
    finding.add_evidence("limit_bytes", static_cast<std::int64_t>(*report.memory_limit_mb) << 20);
  }
  finding.site = own_stack(report);
}

// java(1), -XX:+ExitOnOutOfMemoryError: "exits with 3". The thread that ran out ends the process
// itself, with its Java frames on the stack; System.exit(3) and halt(3) are carried out by the VM's
// own thread while their caller waits.
bool is_java_out_of_memory(const Report& report) {
  constexpr std::int64_t kStatus = 3;
  return report.death.exit_code == kStatus && report.program == "java" &&
         (has_functions(report.death.stack) ||
          std::none_of(report.blocked.begin(), report.blocked.end(),
                       [](const Blocked& blocked) { return blocked.handler; }));
}

// By itself, or by AWS's client, which reports the error and then ends the process.
void add_java_heap_finding(Report& report) {
  const bool said = has(report.error_type, "OutOfMemoryError");
  if (!said && !is_java_out_of_memory(report)) {
    return;
  }
  Finding& finding = add_critical(
      report,
      {"memory.java_heap",
       said ? fmt::format("Java reached a limit of its own: {}.", report.error_type)
            : std::string("Java ended itself with status 3, as it does when its heap is full "
                          "(-XX:+ExitOnOutOfMemoryError)."),
       "The log says which limit. The heap: raise -Xmx in JAVA_TOOL_OPTIONS within the function's "
       "memory, or give more; else direct buffers, class metadata or threads."});
  finding.site = own_stack(report);
}

struct InitAdvice {
  std::string_view word;
  const char* advice;
};
constexpr InitAdvice kInitAdvice[] = {
    {"ImportModuleError",
     "A module is missing from the package and its layers, or was built for another version or "
     "architecture: the log has its name."},
    {"HandlerNotFound",
     "The function's handler setting names what is not in the code: FILE.FUNCTION, as it is "
     "spelled "
     "there."},
    {"MalformedHandlerName", "The handler setting has to be FILE.FUNCTION."},
    {"SyntaxError", "The code does not parse under this runtime's version: the log has the line."},
    {"ClassNotFound",
     "The handler's class is not in the package: look at the handler setting, and whether the "
     "package holds the classes or a jar in lib/."},
    {"NoClassDef",
     "A class is missing from the package: look at how its dependencies are put into it."},
};

// Init failed by itself, and will again: nothing slow is to be looked for.
void add_init_finding(Report& report) {
  const bool exited = report.status == Status::kExit && report.death.exit_code;
  if (report.type != Type::kInit || report.init_ns || (report.error_type.empty() && !exited)) {
    return;
  }
  const char* advice =
      "Init fails each time until the function or its configuration is changed: the log has what "
      "the runtime said before it ended.";
  for (const InitAdvice& entry : kInitAdvice) {
    advice = has(report.error_type, entry.word) ? entry.advice : advice;
  }
  add_critical(report,
               {"init.failed",
                report.error_type.empty()
                    ? fmt::format("Init ended the process with status {}.", *report.death.exit_code)
                    : fmt::format("Init failed with {}{}.", report.error_type,
                                  exited ? fmt::format(", then status {}", *report.death.exit_code)
                                         : std::string()),
                advice});
}

void add_answer_finding(Report& report) {
  constexpr std::uint32_t kTooLarge = 413;
  constexpr std::int64_t kLargest = 6 * 1024 * 1024 + 100;  // of a synchronous answer
  if (report.type != Type::kInvoke || report.response_status != kTooLarge) {
    return;
  }
  const auto bytes = static_cast<std::int64_t>(report.response_bytes.value_or(0));
  Finding& finding = add_critical(
      report,
      {"response.too_large",
       fmt::format("The answer{} was refused with 413: Lambda takes {}.",
                   bytes != 0 ? " of " + human_bytes(bytes) : std::string(), human_bytes(kLargest)),
       "Put large results into S3 and return where they are, page them, or stream the response."});
  finding.add_evidence("limit_bytes", kLargest);
  if (bytes != 0) {
    finding.add_evidence("response_bytes", bytes);
  }
}

std::optional<Said> crash_finding(const Report& report) {
  const EndDescription& death = report.death;
  if (death.stack_overflow) {
    return Said{"crash.recursion", "The stack ran out: " + death.reason + ".",
                "Look for a recursion that does not end (the stack shows it), or for large "
                "arrays on the stack."};
  }
  if (death.signal == "SIGABRT" && (has(death.reason, "free()") || has(death.reason, "malloc") ||
                                    has(death.reason, "corrupt"))) {
    return Said{"crash.heap", "The C library found its heap damaged: " + death.reason + ".",
                "A native library wrote beyond a block or freed one twice: run it under "
                "AddressSanitizer or valgrind; the stack shows who noticed, not who did it."};
  }
  if (death.signal == "SIGPIPE") {
    return Said{"crash.pipe", "It wrote to a connection whose other end was closed.",
                "Ignore SIGPIPE, or send with MSG_NOSIGNAL, and handle EPIPE."};
  }
  return std::nullopt;
}

void add_crash_finding(Report& report) {
  if (!report.death.stack_overflow && is_heap_limit(report)) {
    add_heap_finding(report);
  } else if (auto said = crash_finding(report)) {
    add_critical(report, std::move(*said)).site = own_stack(report);
  }
}

void add_exit_finding(Report& report) {
  add_critical(report,
               {"exit.in_invocation",
                "The process ended itself while an invocation ran: " + report.death.reason + ".",
                "Return from the handler, or raise an error, instead of exiting: each exit costs a "
                "cold start."})
      .site = own_stack(report);
}

}  // namespace

void add_ending_findings(Report& report) {
  if (report.type != Type::kInvoke && report.type != Type::kInit && report.type != Type::kRun) {
    return;  // a shutdown's line would repeat what that of its last invocation said
  }
  if (report.status == Status::kTimeout && (report.wall || !report.blocked.empty())) {
    add_timeout_finding(report);
  }
  if (report.status == Status::kCrash) {
    add_crash_finding(report);
  }
  const std::size_t before = report.findings.size();
  add_java_heap_finding(report);
  add_init_finding(report);
  add_answer_finding(report);
  if (report.findings.size() == before && report.type == Type::kInvoke &&
      report.status == Status::kExit) {
    add_exit_finding(report);
  }
}

}  // namespace lamprey::report
