// Headlines; see the header.
#include "report/text/headline.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/text/human.h"
#include "report/text/out_of_time.h"

namespace lamprey::report {
namespace {

const char* name_of(recording::Call call) {
  return recording::kCallTable[static_cast<std::size_t>(call)].name;
}

// How it ended, as a clause: "SIGSEGV: stack overflow in app+0x12".
std::string with_reason(const char* what, const Report& report) {
  return report.death.reason.empty() ? std::string(what)
                                     : fmt::format("{}: {}", what, report.death.reason);
}

// " with KeyError"; nothing where the runtime did not say.
std::string with_error(const Report& report) {
  constexpr std::size_t kMax = 80;  // of a headline
  return report.error_type.empty() ? std::string() : " with " + report.error_type.substr(0, kMax);
}

std::string init_subject(const Report& report) {
  if (report.init_ns) {
    return fmt::format("Init took {}", human_duration(*report.init_ns));
  }
  if (!report.error_type.empty()) {
    return "Init failed" + with_error(report);
  }
  if (report.death.reason.empty()) {
    return "Init was not recorded";
  }
  if (report.status == Status::kExit && report.death.exit_code) {
    return fmt::format("Init failed: the process ended itself with status {} ({})",
                       *report.death.exit_code, report.death.reason);
  }
  if (report.status == Status::kTimeout && !report.blocked.empty()) {
    return "Init never finished: " + blocked_text(report.blocked.front());
  }
  return with_reason(report.status == Status::kTimeout ? "Init never finished" : "Init failed",
                     report);
}

// The least time that a headline mentions: a hundredth of the duration, or 100 us if that is
// unknown.
std::uint64_t worth_telling_ns(const Report& report) {
  return report.duration_ns.value_or(report.init_ns.value_or(10'000'000)) / 100 + 1;
}

std::string subject(const Report& report) {
  switch (report.type) {
    case Type::kInit:
      return init_subject(report);
    case Type::kRun:
      return with_reason(report.duration_ns
                             ? fmt::format("Ran {}", human_duration(*report.duration_ns)).c_str()
                             : "Ran",
                         report);
    case Type::kShutdown:
      return with_reason(report.child_pid ? "A child process ended" : "The process ended", report);
    case Type::kInvoke:
    case Type::kSummary:  // says it itself (report/summary)
      break;
  }
  const std::string took =
      report.duration_ns ? fmt::format(" {}", human_duration(*report.duration_ns)) : std::string();
  switch (report.status) {
    case Status::kOk:
      return fmt::format("Took{}", took);
    case Status::kError:
      return report.duration_ns ? fmt::format("Failed{} after{}", with_error(report), took)
                                : std::string("Never finished");
    case Status::kTimeout: {
      const std::string why = why_out_of_time(report).text;
      return fmt::format("Timed out{}{}{}", report.duration_ns ? " after" : "", took,
                         why.empty() ? why : ": " + why);
    }
    case Status::kOutOfMemory:
      return "Ran out of memory and was killed";
    case Status::kCrash:
      return with_reason("The process died while it ran", report);
    case Status::kExit:
      return report.error_type.empty()
                 ? with_reason("The process exited while it ran", report)
                 : with_reason(
                       fmt::format("Failed{}, then the process exited", with_error(report)).c_str(),
                       report);
  }
  return "Took";
}

// What the threads were in tells something only of who was killed by others. One that ended itself,
// or said what was wrong, has other threads too, and they mostly wait for work.
// Nor is it of one that was killed for want of memory.
bool failed_by_itself(const Report& report) {
  return report.status == Status::kExit || report.status == Status::kOutOfMemory ||
         report.death.tid || !report.error_type.empty();
}

// Whether the package is the function itself: the first one, that begins where its code does, and
// holds a later one, or is the only one. (Its first file may be told by what ran after it alone.)
bool is_function_itself(const Report& report, const std::string& package) {
  bool any_other = false;
  bool holds_other = false;
  const Blocked* first = nullptr;
  for (const Blocked& entry : report.timeline) {
    if (recording::is_import(entry.phase)) {
      first = first == nullptr ? &entry : first;
      any_other = any_other || entry.target != package;
      holds_other = holds_other || entry.target.starts_with(package + "/");
    }
  }
  return first != nullptr && first->target == package && report.runtime_start_ns &&
         first->at_ns <= *report.runtime_start_ns + recording::kLeastImportNs &&
         (holds_other || !any_other);
}

// "; 412 ms in the import of /var/task/pandas": of the package that took most of init, where that
// is a fifth or more.
std::string longest_import(const Report& report) {
  std::uint64_t most = report.init_ns.value_or(0) / 5;
  std::string text;
  for (const Blocked& entry : report.timeline) {
    std::uint64_t in_ns = 0;
    std::uint64_t after_ns = 0;
    for (const Blocked& other : report.timeline) {
      if (other.target_plus_one == entry.target_plus_one) {
        const std::uint64_t ns = other.for_ns.value_or(0);
        in_ns += other.phase == recording::WaitPhase::kImport ? ns : 0;
        after_ns += other.phase == recording::WaitPhase::kAfterImport ? ns : 0;
      }
    }
    if (in_ns + after_ns > most && !entry.target.empty() &&
        !is_function_itself(report, entry.target)) {
      most = in_ns + after_ns;
      text = fmt::format("; {} in the import of {}{}", human_duration(most), entry.target,
                         after_ns > in_ns ? ", or after it" : "");
    }
  }
  return text;
}

// The call that took most of the span; nullptr: none is worth telling. Threads that have nothing to
// do wait for others, or for events; only of a whole run, and where they did not do so in several
// threads at once, is that what took the time.
const CallFigures* slowest_call(const Report& report) {
  if (!report.calls) {
    return nullptr;
  }
  const std::uint64_t span = report.duration_ns.value_or(report.init_ns.value_or(0));
  for (const CallFigures& call : report.calls->by_time) {
    const recording::CallClass spent_on =
        recording::kCallTable[static_cast<std::size_t>(call.call)].call_class;
    const bool idle = spent_on == recording::CallClass::kLock ||
                      (spent_on == recording::CallClass::kWait &&
                       (report.type != Type::kRun || call.total_ns > span));
    if (!idle) {
      return call.total_ns >= worth_telling_ns(report) ? &call : nullptr;
    }
  }
  return nullptr;
}

}  // namespace

void add_headline(Report& report) {
  std::string text = subject(report);
  // Of a killed one the subject says what took the time.
  const bool whole = report.status == Status::kOk || report.status == Status::kError;
  const std::string parts = report.wall && whole ? parts_of(report) : std::string();
  if (!parts.empty()) {
    text += " = " + parts;
  }
  if (report.memory) {
    text += fmt::format("; allocated {} in {} blocks",
                        human_bytes(static_cast<std::int64_t>(report.memory->allocated_bytes)),
                        human_count(report.memory->allocations));
    if (report.memory->live_bytes) {
      text += fmt::format(", {} live", human_bytes(*report.memory->live_bytes));
    }
  }
  if (failed_by_itself(report)) {
    // what the threads were in explains nothing
  } else if (!report.blocked.empty()) {
    if (report.status != Status::kTimeout) {
      text += "; " + blocked_text(report.blocked.front());
    }
  } else if (const std::string import = longest_import(report); !import.empty()) {
    text += import;
  } else if (const CallFigures* top = slowest_call(report);
             top != nullptr && parts.empty() && report.status != Status::kTimeout) {
    text += fmt::format("; most time in {}: {} in {}", name_of(top->call),
                        human_duration(top->total_ns),
                        top->calls == 0   ? std::string("a call that did not return")
                        : top->calls == 1 ? std::string("1 call")
                                          : fmt::format("{} calls", human_count(top->calls)));
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
