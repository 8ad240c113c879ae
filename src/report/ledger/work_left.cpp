// Work that goes on; see the header.
//
// A thread counts as working only if it is seen to be: it has asked a host, or waits for a name or
// a child, or runs. Threads that wait for work, sleep, or watch connections in a loop do not. One
// that waits for CPython's interpreter lock wants to run: it does so by timed waits on a condition
// of 5 ms (take_gil() in Python/ceval_gil.c); for work its threads wait on semaphores.
#include "report/ledger/work_left.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "report/text/human.h"

namespace lamprey::report {
namespace {

using recording::CallClass;
using recording::SlotLook;

constexpr std::size_t kMaxLeft = 8;
constexpr const char* kAdvice =
    "Wait for it before you answer (join, await, flush), or hand it to a queue: after the answer "
    "the environment is frozen, and what is left is done, and billed, in later invocations.";

constexpr std::string_view kWaiting = "waiting for ";
constexpr std::string_view kLooking = "looking up a name";

CallClass class_of(const SlotLook& thread) {
  return recording::kCallTable[static_cast<std::size_t>(thread.call->call)].call_class;
}

bool is_wait(std::string_view work) {
  return work.starts_with(kWaiting) || work.starts_with(kLooking);
}

// Whether it may wait for CPython's interpreter lock, since not long before `end`. In no call it
// may be about to.
bool may_want_interpreter(const SlotLook& thread, std::string_view program,
                          const WorkLeft::Asks& asks, std::uint64_t end) {
  using recording::Call;
  constexpr std::uint64_t kLongestNs = 100'000'000;  // 5 ms, on a busy machine
  if (!program.starts_with("python")) {
    return false;
  }
  return !thread.call || ((thread.call->call == Call::k_pthread_cond_wait ||
                           thread.call->call == Call::k_pthread_mutex_lock) &&
                          asks.to_ns(end - std::min(end, thread.call->started)) < kLongestNs);
}

// "waiting for localhost:18120"; empty: it does not work, as far as is seen.
std::string work_of(const SlotLook& thread, const WorkLeft::Asks& asks) {
  if (!thread.call) {
    return asks.is_running(thread.tid) ? "computing" : std::string();
  }
  if (class_of(thread) == CallClass::kDns) {
    return std::string(kLooking);
  }
  if (class_of(thread) == CallClass::kChild) {
    return std::string(kWaiting) + "a child process";
  }
  const std::string host = asks.awaited(*thread.call);
  if (!host.empty()) {
    return std::string(kWaiting) + host;
  }
  const bool on_files = class_of(thread) == CallClass::kFile && asks.is_running(thread.tid);
  return on_files ? "in calls on files" : std::string();
}

void tell(Report& report, const char* code, std::string text,
          std::pair<std::string_view, std::int64_t> first,
          std::pair<std::string_view, std::int64_t> second) {
  Finding finding{code, Severity::kWarning, std::move(text), kAdvice, {}};
  finding.evidence = {first, second};
  report.findings.push_back(std::move(finding));
}

}  // namespace

// Each thread that was left is told of once more: in the first invocation in which it was seen to
// go on.
void WorkLeft::tell_disturbed(Report& report, const std::vector<SlotLook>& threads,
                              const Asks& asks) {
  bool told = false;
  std::vector<Left> still;
  for (const Left& left : left_) {
    const auto now = std::find_if(threads.begin(), threads.end(), [&left](const SlotLook& thread) {
      return thread.tid == left.tid && thread.generation == left.generation;
    });
    if (now == threads.end()) {
      continue;  // it has ended
    }
    const std::uint64_t ticks = now->worked() - std::min(now->worked(), left.worked);
    const std::string work = told ? std::string() : work_of(*now, asks);
    if (told || (ticks == 0 && work.empty()) || (left.unsure && !is_wait(work))) {
      still.push_back(left);
      continue;
    }
    told = true;  // a line says it once
    // A call that it was in when it was left counts with all of its time.
    const std::uint64_t ns = std::min(asks.to_ns(ticks), report.duration_ns.value_or(UINT64_MAX));
    std::string text =
        fmt::format("Thread {}, which invocation {} left working, went on in this one", left.tid,
                    left.invocation);
    if (ns != 0) {
      text += fmt::format(": {} in calls", human_duration(ns));
    }
    if (!work.empty()) {
      text += fmt::format("{} {} at its end", ns != 0 ? "," : ":", work);
    }
    tell(report, "work.from_before", text + ".",
         {"invocation", static_cast<std::int64_t>(left.invocation)},
         {"us", static_cast<std::int64_t>(ns / 1000)});
  }
  left_ = std::move(still);
}

bool WorkLeft::is_left(std::int32_t tid) const {
  return std::any_of(left_.begin(), left_.end(),
                     [tid](const Left& left) { return left.tid == tid; });
}

void WorkLeft::look(Report& report, const recording::Invocation& entry,
                    const std::vector<SlotLook>& threads, const Asks& asks) {
  tell_disturbed(report, threads, asks);
  std::size_t count = 0;
  std::string first;
  std::int32_t first_tid = 0;
  for (const SlotLook& thread : threads) {
    const bool handled = thread.tid == entry.tid || thread.tid == entry.accounts[0].tid ||
                         thread.tid == entry.accounts[1].tid;
    const bool ours = thread.born == static_cast<std::uint32_t>(entry.sequence);
    if (thread.tid == 0 || handled || !ours || left_.size() >= kMaxLeft) {
      continue;
    }
    const std::string work = work_of(thread, asks);
    const bool unsure =
        work.empty() && may_want_interpreter(thread, report.program, asks, entry.ended.ticks);
    if (work.empty() && !unsure) {
      continue;
    }
    left_.push_back({thread.tid, thread.generation, entry.sequence, thread.worked(), unsure});
    if (!is_wait(work)) {
      continue;  // it runs, and may be about to end: the next invocation shows whether it goes on
    }
    if (count++ == 0) {
      first_tid = thread.tid;
      first = fmt::format("thread {} was {}", thread.tid, work);
    }
  }
  if (count != 0) {
    tell(
        report, "work.left",
        fmt::format("{} that this invocation started went on after it: {}.",
                    count == 1 ? std::string("A thread") : fmt::format("{} threads", count), first),
        {"threads", static_cast<std::int64_t>(count)}, {"thread", std::int64_t{first_tid}});
  }
}

}  // namespace lamprey::report
