// Ledger: where the time of an init or an invocation went. The figures are explained in
// model/time_figures.h.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "report/delta/time_account.h"
#include "report/ledger/culprit.h"
#include "report/ledger/ledger.h"
#include "report/ledger/workers.h"
#include "report/procfs/process.h"
#include "report/text/human.h"

namespace lamprey::report {

using recording::Invocation;

Ledger::RunDelay* Ledger::run_delay_of(std::int32_t tid) {
  for (RunDelay& known : run_delay_) {
    if (known.tid == tid) {
      return &known;
    }
  }
  return nullptr;
}

// How much the thread's figure in /proc has grown since it was last read: at the end of init or of
// the invocation before. Nothing the first time.
std::optional<std::uint64_t> Ledger::runnable_since(std::int32_t tid) {
  const auto now = run_delays_.of(tid);
  if (!now) {
    return std::nullopt;
  }
  RunDelay* known = run_delay_of(tid);
  if (known == nullptr) {
    run_delay_[run_delays_known_++ % run_delay_.size()] = {tid, *now};
    return std::nullopt;
  }
  const std::uint64_t before = std::exchange(known->ns, *now);
  return *now >= before ? std::optional(*now - before) : std::nullopt;
}

// Init is divided where the first of the function's own files was opened.
void Ledger::fill_init(Report& report) {
  std::uint64_t file_ns = 0;
  for (const CallFigures& call : report.calls->by_time) {
    const auto& info = recording::kCallTable[static_cast<std::size_t>(call.call)];
    file_ns += info.call_class == recording::CallClass::kFile ? call.total_ns : 0;
  }
  report.init_file_ns = file_ns;
  const std::uint64_t first = header().task_opened;
  const std::uint64_t begin = header().attach_begin.ticks;
  if (first > begin && report.init_ns) {
    const std::uint64_t start_ns = reader_.clock().duration_ns(first - begin);
    if (start_ns <= *report.init_ns) {
      report.runtime_start_ns = start_ns;
      report.import_ns = *report.init_ns - start_ns;
    }
  }
}

void Ledger::fill_wall(Report& report, const Invocation& entry) {
  if ((entry.flags & recording::kInvocationHandedOn) != 0) {
    report.coverage.add_unseen(
        "wall: another thread than the one that received the request handled it, beside others");
    return;
  }
  std::optional<std::uint64_t> runnable;
  const recording::ThreadAccount& handler = handler_of(entry);
  for (const recording::ThreadAccount& account : entry.accounts) {
    if (account.tid != 0 && present_ != Present::kNone) {  // both, for a figure to start from
      const auto since = runnable_since(account.tid);
      runnable = account.tid == handler.tid ? since : runnable;
    }
  }
  if (present_ != Present::kOwn) {
    runnable.reset();
  }
  if (report.duration_ns) {
    report.wall = wall_of(handler, handler.ended, *report.duration_ns, runnable, reader_.clock());
    take_stolen(report);
  }
}

namespace {

// A wait for other threads is worth a look from here on.
bool waits_for_others(const WallFigures& wall) {
  constexpr std::uint64_t kLeastNs = 5'000'000;
  return wall.lock_ns >= kLeastNs && wall.lock_ns >= wall.total_ns / 20;
}

}  // namespace

// What a quota held back looks like waiting for a CPU, or, from Linux 6.18 on, like nothing at all:
// the kernel takes such a thread off its queue. What the hypervisor held back looks like nothing,
// too. Less than what is looked for stays where it was.
void Ledger::take_stolen(Report& report) {
  constexpr std::uint64_t kLeastQuotaNs = 1'000'000;
  constexpr std::uint64_t kLeastHostNs = 10'000'000;  // it is counted in such steps
  if (!report.wall || present_ != Present::kOwn) {
    return;
  }
  WallFigures& wall = *report.wall;
  std::uint64_t stolen = 0;
  const auto take = [&stolen](std::uint64_t& from, std::uint64_t held) {
    const std::uint64_t ns = std::min(from, held);
    from -= ns;
    stolen += ns;
    return ns;
  };
  const std::uint64_t runnable = wall.runnable_ns.value_or(0);
  held_left_ns_ = 0;
  if (runnable + wall.unexplained_ns >= kLeastQuotaNs || waits_for_others(wall)) {
    std::uint64_t held = held_back_.by_quota_ns().value_or(0);
    held -= runnable == 0 ? 0 : take(*wall.runnable_ns, held);
    const std::uint64_t unexplained = take(wall.unexplained_ns, held);
    wall.other_ns -= unexplained;
    held_left_ns_ = held - unexplained;
  }
  if (wall.unexplained_ns >= kLeastHostNs) {
    wall.other_ns -= take(wall.unexplained_ns, held_back_.by_host_ns().value_or(0));
  }
  if (held_back_.is_told()) {
    wall.stolen_ns = stolen;
  }
}

// A quota holds back all threads: also those that the handler waited for. After what they waited
// for themselves was told apart.
void Ledger::take_held_from_others(WallFigures& wall) {
  std::uint64_t delayed = wall.runnable_ns.value_or(0);
  for (std::uint64_t* from : {&delayed, &wall.lock_ns}) {
    const std::uint64_t ns = std::min(*from, held_left_ns_);
    *from -= ns;
    held_left_ns_ -= ns;
    wall.stolen_ns = wall.stolen_ns ? *wall.stolen_ns + ns : wall.stolen_ns;
  }
  if (wall.runnable_ns) {
    wall.runnable_ns = delayed;
  }
}

// Which of the candidates handles an invocation that did not end. Not the one that has waited since
// before it began (the JVM's launcher in its join; a worker of Rust's that parks); else the one
// that has used more CPU since, as far as that was seen; else the process's first thread.
std::int32_t Ledger::handler_now(const Invocation& entry, const EndCause& end) {
  const recording::ThreadAccount& received = entry.accounts[0];
  const recording::ThreadAccount& first = entry.accounts[1];
  if (received.tid == 0 || first.tid == 0) {
    return first.tid != 0 ? first.tid : entry.tid;
  }
  // A runtime that leaves its loop: who waited for that thread's end and then ended the process is
  // no handler.
  if (end.status == Status::kExit && !reader_.moment_of(received, end.mono_ns)) {
    return received.tid;
  }
  const std::vector<recording::OpenCall> calls = reader_.open_calls();
  const auto rests = [&](const recording::ThreadAccount& account) {
    return std::any_of(calls.begin(), calls.end(), [&](const recording::OpenCall& call) {
      return call.tid == account.tid && call.started != 0 && call.started < entry.started.ticks;
    });
  };
  if (rests(first) != rests(received)) {
    return rests(first) ? received.tid : first.tid;
  }
  // A thread of a pool received it: that one waits for work again, or for the thread that has the
  // request.
  const auto waits_for_threads = [&](const recording::ThreadAccount& account) {
    return std::any_of(calls.begin(), calls.end(), [&](const recording::OpenCall& call) {
      return call.tid == account.tid &&
             recording::kCallTable[static_cast<std::size_t>(call.call)].call_class ==
                 recording::CallClass::kLock;
    });
  };
  if (waits_for_threads(first) != waits_for_threads(received)) {
    return waits_for_threads(first) ? received.tid : first.tid;
  }
  const auto used = [&end](const recording::ThreadAccount& account) {
    const ThreadLook* look = look_at(end.closeup, account.tid);
    return look != nullptr && look->cpu_ns > account.started.cpu_ns
               ? look->cpu_ns - account.started.cpu_ns
               : 0;
  };
  return used(received) > used(first) ? received.tid : first.tid;
}

void Ledger::fill_open_wall(Report& report, const Invocation& entry, std::int32_t handler,
                            std::uint64_t until, const EndCause& end) {
  if ((entry.flags & recording::kInvocationHandedOn) != 0) {
    return;
  }
  const recording::ThreadAccount& account =
      entry.accounts[1].tid == handler ? entry.accounts[1] : entry.accounts[0];
  auto moment = report.duration_ns ? reader_.moment_of(account, until) : std::nullopt;
  if (!moment) {
    return;
  }
  std::optional<std::uint64_t> runnable;
  if (const ThreadLook* look = look_at(end.closeup, account.tid)) {
    moment->cpu_ns = look->cpu_ns;
    const RunDelay* before = run_delay_of(account.tid);  // at the end before
    if (before != nullptr && look->run_delay_ns >= before->ns) {
      runnable = look->run_delay_ns - before->ns;
    }
  }
  report.wall = wall_of(account, *moment, *report.duration_ns, runnable, reader_.clock());
  take_stolen(report);
  if (report.wall) {
    charge_to_culprit(*report.wall, report.blocked);
  }
}

// Where several run at a time, nobody knows whose a thread is.
void Ledger::add_work_left(Report& report, const Invocation& entry,
                           const std::vector<recording::SlotLook>& slots) {
  if (recording::is_concurrent(header())) {
    return;
  }
  WorkLeft::Asks asks;
  asks.is_running = [this](std::int32_t tid) {
    const auto look = look_at_thread(header().pid, tid);
    return look && look->running;
  };
  asks.awaited = [this](const recording::OpenCall& call) {
    const recording::Connections known = reader_.connections();
    const recording::Connection* host = recording::awaited_by(call, known);
    const bool owes = host != nullptr && host->unanswered() && host->descriptor == call.descriptor;
    return owes ? host->label : std::string();
  };
  asks.to_ns = [this](std::uint64_t ticks) { return reader_.clock().duration_ns(ticks); };
  work_left_.look(report, entry, slots, asks);
}

void Ledger::charge_to_others(Report& report, const Invocation& entry,
                              const std::vector<recording::SlotLook>& slots) {
  if (!report.wall || recording::is_concurrent(header()) || !waits_for_others(*report.wall)) {
    return;
  }
  const recording::ClockScale clock = reader_.clock();
  std::vector<WorkerTime> workers;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const recording::SlotLook& now = slots[i];
    const bool known = i < slots_before_.size();
    const bool same = known && slots_before_[i].generation == now.generation;
    if (now.tid == report.wall->tid || (now.tid != 0 && work_left_.is_left(now.tid)) ||
        (!same && now.born != static_cast<std::uint32_t>(entry.sequence))) {
      continue;
    }
    const auto grown_ns = [&](recording::CallClass kind) {
      const auto index = static_cast<std::size_t>(kind);
      const std::uint64_t before = same ? slots_before_[i].class_ticks[index] : 0;
      const std::uint64_t ticks = now.class_ticks[index];
      return clock.duration_ns(ticks - std::min(ticks, before));
    };
    using recording::CallClass;
    workers.push_back(
        {grown_ns(CallClass::kNetwork), grown_ns(CallClass::kDns), grown_ns(CallClass::kFile)});
  }
  charge_to_workers(*report.wall, workers);
  charge_to_computing_thread(report, entry.started.mono_ns);
  take_held_from_others(*report.wall);
}

// Only where most of a long invocation is not explained otherwise: it costs a look at every thread.
void Ledger::charge_to_computing_thread(Report& report, std::uint64_t began) {
  constexpr std::uint64_t kLeastNs = 50'000'000;
  WallFigures& wall = *report.wall;
  if (wall.lock_ns < kLeastNs || wall.lock_ns < wall.total_ns / 5 || early_ns_ <= began ||
      early_looks_.empty()) {
    return;
  }
  const ComputingThread busiest =
      busiest_between(early_looks_, look_at_threads(header().pid), wall.tid);
  const std::uint64_t ns = charge_to_computing(wall, busiest);
  if (ns == 0 || !busiest.collects) {
    return;
  }
  Finding finding{"time.gc",
                  Severity::kWarning,
                  fmt::format("{} of {} the handler waited while the garbage collector ran ({}).",
                              human_duration(ns), human_duration(wall.total_ns), busiest.name),
                  "Allocate less, or give the function more memory: both the heap and the "
                  "collector's share of a CPU grow with it.",
                  {}};
  finding.evidence = {{"ms", static_cast<std::int64_t>(ns / 1'000'000)},
                      {"total_ms", static_cast<std::int64_t>(wall.total_ns / 1'000'000)}};
  report.findings.push_back(std::move(finding));
}

}  // namespace lamprey::report
