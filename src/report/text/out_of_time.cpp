// Why the time ran out; see the header.
#include "report/text/out_of_time.h"

#include <fmt/format.h>

#include <algorithm>

#include "recording/reader.h"
#include "report/text/human.h"

namespace lamprey::report {
namespace {

std::uint64_t time_of(const Blocked& blocked) {
  return std::max(blocked.for_ns.value_or(0), blocked.unanswered_ns.value_or(0));
}

std::string thread_text(const Blocked& blocked) {
  return blocked.main ? std::string("main thread") : fmt::format("thread {}", blocked.tid);
}

std::string counted_calls(std::uint64_t count) {
  return fmt::format("{} call{}", human_count(count), count == 1 ? "" : "s");
}

// "2.96 s of 2.99 s"
std::string share_text(std::uint64_t part, std::uint64_t whole) {
  return fmt::format("{} of {}", human_duration(part), human_duration(whole));
}

// How much longer than all answers before the last question has been open: then it is the trouble.
constexpr std::uint64_t kTimesLonger = 5;

const HostFigures* busiest_host(const Report& report) {
  return report.targets.hosts.empty() ? nullptr : &report.targets.hosts.front();
}

// What it computed, and what it would have if it had had the CPU.
std::uint64_t wanted_cpu_ns(const WallFigures& wall) {
  return wall.cpu_ns.value_or(0) + wall.runnable_ns.value_or(0) + wall.stolen_ns.value_or(0);
}

// Whether what the thread is in when the end comes is what took the time.
bool took_the_time(const Report& report, const Blocked& front, std::uint64_t whole) {
  if (!front.for_ns) {
    return true;  // nobody saw the end: nothing better is known
  }
  if (front.on_cpu && front.handler && report.wall) {
    const WallFigures& wall = *report.wall;  // in no call it computed, or waited for a CPU
    return wanted_cpu_ns(wall) + wall.other_ns >= whole / 2;
  }
  const std::uint64_t took =
      std::max(time_of(front), front.on_cpu ? front.worked_ns.value_or(0) : 0);
  if (took >= whole / 2) {
    return true;
  }
  const HostFigures* host = busiest_host(report);
  return front.awaited == Awaited::kAnswer && took >= whole / 5 &&
         (host == nullptr || took >= host->longest_ns * kTimesLonger);
}

bool is_idle_loop(const Blocked& front, std::uint64_t whole) {
  return front.handler && front.awaited == Awaited::kNothing &&
         front.for_ns.value_or(0) >= whole / 2;
}

TimeAccount idle_loop(const Report& report, const Blocked& front) {
  TimeAccount account{OutOfTime::kIdleLoop, {}, *front.for_ns, nullptr};
  account.text =
      fmt::format("for {} the event loop had nothing to wait for: ", human_duration(*front.for_ns));
  account.text += report.last_answer_ns
                      ? fmt::format("the last answer ({}) came after {}, nothing was asked since",
                                    report.last_answer_from, human_duration(*report.last_answer_ns))
                      : std::string("no host was asked for anything");
  const bool several = front.target.find(", ") != std::string::npos;
  account.text += fmt::format("; {} alive: {}",
                              several ? "idle connections keep it" : "an idle connection keeps it",
                              front.target);
  if (front.timer_ns) {
    account.text += fmt::format(", and a timer ({} at most)", human_duration(*front.timer_ns));
  }
  return account;
}

// "148 calls to localhost:18101, none over 31.0 ms"
std::string calls_text(const HostFigures& host, std::uint64_t open_ns) {
  const std::uint64_t calls = host.answers + (open_ns != 0 ? 1 : 0);
  const std::uint64_t longest = std::max(host.longest_ns, open_ns);
  if (calls <= 1) {
    return fmt::format(
        "{} to {}{}", counted_calls(std::max<std::uint64_t>(calls, 1)), host_label(host),
        host.received_bytes > host.sent_bytes
            ? fmt::format(", {} received",
                          human_bytes(static_cast<std::int64_t>(host.received_bytes)))
            : std::string());
  }
  return fmt::format("{} to {}, {} {}", counted_calls(calls), host_label(host),
                     calls >= 5 ? "none over" : "the longest", human_duration(longest));
}

// `busy_ns`: what the thread spent on hosts. Where several took it, how many did is said.
TimeAccount calls(const Report& report, std::uint64_t busy_ns, std::uint64_t whole) {
  TimeAccount account{OutOfTime::kCalls, share_text(busy_ns, whole) + " in ", busy_ns, nullptr};
  const HostFigures* host = busiest_host(report);
  if (host == nullptr) {
    account.text += "calls over the network";
    return account;
  }
  const Blocked* front = report.blocked.empty() ? nullptr : &report.blocked.front();
  const std::uint64_t open_ns =
      front != nullptr && front->awaited == Awaited::kAnswer ? front->unanswered_ns.value_or(0) : 0;
  account.host = host;
  std::uint64_t all = 0;
  std::uint64_t answers = 0;
  for (const HostFigures& each : report.targets.hosts) {
    all += each.wait_ns;
    answers += each.answers;
  }
  if (host->wait_ns >= all / 10 * 8) {
    account.text += calls_text(*host, open_ns);
  } else {
    account.text += fmt::format("{} to {} hosts, most of it in {}", counted_calls(answers),
                                report.targets.hosts.size(), calls_text(*host, open_ns));
  }
  return account;
}

// The largest part of the handler's account, if it is half of it or more.
TimeAccount largest_part(const Report& report) {
  const WallFigures& wall = *report.wall;
  struct Part {
    OutOfTime by;
    std::uint64_t ns;
    const char* what;
  };
  const Part parts[] = {{OutOfTime::kCalls, wall.network_ns, ""},
                        {OutOfTime::kDns, wall.dns_ns, "looking up names"},
                        {OutOfTime::kFiles, wall.file_ns, "calls on files"},
                        {OutOfTime::kLocks, wall.lock_ns, "waiting for other threads"},
                        {OutOfTime::kSleep, wall.sleep_ns, "sleep"},
                        {OutOfTime::kChildren, wall.child_ns, "waiting for child processes"},
                        {OutOfTime::kCpu, wanted_cpu_ns(wall), "computing"}};
  const Part* most = std::max_element(std::begin(parts), std::end(parts),
                                      [](const Part& a, const Part& b) { return a.ns < b.ns; });
  if (most->ns < wall.total_ns / 2 || most->ns == 0) {
    return {};
  }
  if (most->by == OutOfTime::kCalls) {
    return calls(report, most->ns, wall.total_ns);
  }
  return {most->by, fmt::format("{} in {}", share_text(most->ns, wall.total_ns), most->what),
          most->ns, nullptr};
}

TimeAccount last_call(const Report& report) {
  const Blocked& front = report.blocked.front();
  TimeAccount account{OutOfTime::kLastCall, blocked_text(front), time_of(front), nullptr};
  if (front.sure_percent != 0) {
    account.text += ", and the handler waits for it";
  }
  if (front.on_cpu && front.handler && report.wall) {
    const std::uint64_t held = report.wall->stolen_ns.value_or(0);
    const std::uint64_t waited = report.wall->runnable_ns.value_or(0);
    const auto [ns, how] = held > waited ? std::pair(held, "held back by its CPU share")
                                         : std::pair(waited, "waiting for a CPU");
    if (ns >= report.wall->total_ns / 5) {
      account.text += fmt::format(", {} {}", human_duration(ns), how);
    }
  }
  return account;
}

}  // namespace

std::string host_label(const HostFigures& host) {
  return recording::label_of(host.host, host.peer);
}

std::string blocked_text(const Blocked& blocked) {
  std::string text = thread_text(blocked);
  if (blocked.for_ns) {
    text += " " + human_duration(time_of(blocked));
  }
  if (blocked.on_cpu) {
    return text + " on CPU";
  }
  text += fmt::format(" in {}", call_name(blocked));
  if (!blocked.target.empty()) {
    text += blocked.call == recording::Call::k_getaddrinfo ? " of " : " to ";
    text += blocked.target;
  }
  if (blocked.in_handshake) {
    text += " (TLS handshake)";
  }
  if (blocked.timer_ns && blocked.target.empty()) {
    text += fmt::format(" for a timer ({} at most)", human_duration(*blocked.timer_ns));
  }
  return text;
}

std::string parts_of(const Report& report) {
  std::string text;
  if (!report.wall) {
    return text;
  }
  const WallFigures& wall = *report.wall;
  const auto add = [&](std::uint64_t ns, const std::string& what) {
    if (ns != 0 && ns >= wall.total_ns / 100) {
      text += fmt::format("{}{} {}", text.empty() ? "" : " + ", human_duration(ns), what);
    }
  };
  const bool named = !report.targets.hosts.empty() && wall.network_ns != 0;
  add(wall.cpu_ns.value_or(0), "CPU");
  add(wall.runnable_ns.value_or(0), "waiting for a CPU");
  add(wall.stolen_ns.value_or(0), "held back by its CPU share");
  add(wall.network_ns, named ? fmt::format("network ({})", report.targets.hosts.front().host)
                             : std::string("network"));
  add(wall.dns_ns, "DNS");
  add(wall.file_ns, "files");
  add(wall.lock_ns, "locks");
  add(wall.sleep_ns, "sleep");
  add(wall.child_ns, "children");
  add(wall.other_ns, "other");
  return text;
}

TimeAccount why_out_of_time(const Report& report) {
  const Blocked* front = report.blocked.empty() ? nullptr : &report.blocked.front();
  const std::uint64_t whole = report.wall ? report.wall->total_ns : report.duration_ns.value_or(0);
  if (front != nullptr && is_idle_loop(*front, whole)) {
    return idle_loop(report, *front);
  }
  if (front != nullptr && (!report.wall || took_the_time(report, *front, whole))) {
    return last_call(report);
  }
  if (report.wall) {
    if (TimeAccount most = largest_part(report); most.by != OutOfTime::kUnknown) {
      if (front != nullptr && front->sure_percent != 0) {
        most.text += fmt::format(", by {}, and the handler waits for it", thread_text(*front));
      }
      return most;
    }
    return {OutOfTime::kUnknown, parts_of(report), 0, nullptr};
  }
  return {};
}

}  // namespace lamprey::report
