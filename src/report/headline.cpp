// Headlines; see the header.
#include "report/headline.h"

#include <fmt/format.h>

#include "report/human.h"

namespace lamprey::report {
namespace {

const char* name_of(recording::Call call) {
  return recording::kCallTable[static_cast<std::size_t>(call)].name;
}

std::string to_target(const Blocked& blocked) {
  const char* link = blocked.call == recording::Call::k_getaddrinfo ? "of" : "to";
  return fmt::format(" {} {}", link, blocked.target);
}

std::string subject(const Report& report) {
  switch (report.type) {
    case Type::kInit:
      return report.init_ns ? fmt::format("Init took {}", human_duration(*report.init_ns))
                            : std::string("Init was not recorded");
    case Type::kRun:
      return report.duration_ns ? fmt::format("Ran {}", human_duration(*report.duration_ns))
                                : std::string("Ran");
    case Type::kShutdown:
      return report.status == Status::kOk
                 ? std::string("The process ended")
                 : fmt::format("The process ended ({})", name_of(report.status));
    case Type::kInvoke:
      break;
  }
  const std::string took =
      report.duration_ns ? fmt::format(" {}", human_duration(*report.duration_ns)) : std::string();
  switch (report.status) {
    case Status::kOk:
      return fmt::format("Took{}", took);
    case Status::kError:
      return report.duration_ns ? fmt::format("Failed after{}", took)
                                : std::string("Never finished");
    case Status::kTimeout:
      return report.duration_ns ? fmt::format("Timed out after{}", took) : std::string("Timed out");
    case Status::kOutOfMemory:
      return "Ran out of memory";
    case Status::kCrash:
      return "The process died while it ran";
    case Status::kExit:
      return "The process exited while it ran";
  }
  return "Took";
}

// "61 ms CPU + 240 ms network (dynamodb.eu-west-1…) + 88 ms DNS": parts of a hundredth and more.
std::string parts_of(const Report& report) {
  const WallFigures& wall = *report.wall;
  std::string text;
  const auto add = [&](std::uint64_t ns, const std::string& what) {
    if (ns != 0 && ns >= wall.total_ns / 100) {
      text += fmt::format("{}{} {}", text.empty() ? "" : " + ", human_duration(ns), what);
    }
  };
  const bool named = !report.targets.hosts.empty() && wall.network_ns != 0;
  add(wall.cpu_ns.value_or(0), "CPU");
  add(wall.runnable_ns.value_or(0), "waiting for a CPU");
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

}  // namespace

void add_headline(Report& report) {
  std::string text = subject(report);
  const std::string parts = report.wall ? parts_of(report) : std::string();
  if (!parts.empty()) {
    text += " = " + parts;
  }
  if (report.memory) {
    text += fmt::format("; allocated {} in {} blocks",
                        human_bytes(static_cast<std::int64_t>(report.memory->allocated_bytes)),
                        human_count(report.memory->allocations));
    text += fmt::format(", {} live", human_bytes(report.memory->live_bytes));
  }
  if (!report.blocked.empty()) {
    const Blocked& longest = report.blocked.front();
    text += fmt::format("; thread {} had been in {}{}", longest.tid, name_of(longest.call),
                        longest.target.empty() ? std::string() : to_target(longest));
    if (longest.for_ns) {
      text += fmt::format(" for {}", human_duration(*longest.for_ns));
    }
  } else if (parts.empty() && report.calls && !report.calls->by_time.empty() &&
             report.calls->by_time.front().total_ns > 0) {
    const CallFigures& top = report.calls->by_time.front();
    text +=
        fmt::format("; most time in {}: {} in {}", name_of(top.call), human_duration(top.total_ns),
                    top.calls == 0   ? std::string("a call that did not return")
                    : top.calls == 1 ? std::string("1 call")
                                     : fmt::format("{} calls", human_count(top.calls)));
  }
  for (const Finding& finding : report.findings) {
    if (finding.severity != Severity::kInfo) {
      text += fmt::format("; {}", finding.code);
      break;
    }
  }
  report.headline = text + ".";
}

}  // namespace lamprey::report
