// Ledger: where the time of an init or an invocation went. The figures are explained in
// model/time_figures.h.
#include <utility>

#include "report/delta/time_account.h"
#include "report/ledger/ledger.h"
#include "report/procfs/process.h"

namespace lamprey::report {

using recording::Invocation;

// How much the thread's figure in /proc has grown since it was last read: at the end of init or of
// the invocation before. Nothing the first time.
std::optional<std::uint64_t> Ledger::runnable_since(std::int32_t tid) {
  constexpr std::size_t kMaxThreads = 64;
  const auto now = run_delay_ns(header().pid, tid);
  if (!now) {
    return std::nullopt;
  }
  if (run_delay_.size() >= kMaxThreads) {
    run_delay_.clear();
  }
  const auto [found, is_new] = run_delay_.try_emplace(tid, *now);
  if (is_new) {
    return std::nullopt;
  }
  const std::uint64_t before = std::exchange(found->second, *now);
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
    report.coverage.unseen.emplace_back(
        "wall: another thread than the one that received the request handled it, beside others");
    return;
  }
  std::optional<std::uint64_t> runnable;
  const recording::ThreadAccount& handler = handler_of(entry);
  for (const recording::ThreadAccount& account : entry.accounts) {
    if (account.tid != 0) {  // both, so that both have a figure to start from
      const auto since = runnable_since(account.tid);
      runnable = account.tid == handler.tid ? since : runnable;
    }
  }
  if (report.duration_ns) {
    report.wall = wall_of(handler, handler.ended, *report.duration_ns, runnable, reader_.clock());
  }
}

void Ledger::fill_open_wall(Report& report, const Invocation& entry, std::uint64_t until) {
  if ((entry.flags & recording::kInvocationHandedOn) != 0) {
    return;
  }
  const recording::ThreadAccount& first = entry.accounts[1];
  const recording::ThreadAccount& handler = first.tid != 0 ? first : entry.accounts[0];
  const auto moment = report.duration_ns ? reader_.moment_of(handler, until) : std::nullopt;
  if (moment) {
    report.wall = wall_of(handler, *moment, *report.duration_ns, std::nullopt, reader_.clock());
  }
}

}  // namespace lamprey::report
