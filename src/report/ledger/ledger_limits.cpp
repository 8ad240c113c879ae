// Ledger: what the environment has little of, and child processes. The findings are made in
// findings/limit_findings.cpp and findings/child_findings.cpp.
#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>

#include "report/ledger/ledger.h"
#include "report/procfs/process.h"

namespace lamprey::report {
namespace {

using recording::DescriptorKind;

std::string held_text(const recording::HeldDescriptors& held) {
  const bool known = !held.place.empty();
  switch (held.kind) {
    case DescriptorKind::kHost:
      return known ? "connections to " + held.place : std::string("sockets");
    case DescriptorKind::kFile:
      return known ? "files in " + held.place : std::string("files");
    case DescriptorKind::kPipe:
      return "pipes";
    case DescriptorKind::kPair:
      return "socket pairs";
    case DescriptorKind::kEvent:
    case DescriptorKind::kTimer:
    case DescriptorKind::kSignal:
    case DescriptorKind::kLoop:
    case DescriptorKind::kUnknown:
      break;
  }
  return "event descriptors";
}

void take_status(ChildFigures& child, std::int32_t status) {
  if (WIFEXITED(status)) {
    child.exit_code = WEXITSTATUS(status);
  } else if (WIFSIGNALED(status)) {
    child.signal = signal_name(WTERMSIG(status));
  }
}

}  // namespace

// The table of descriptors is read only when there are few left: 48 KB.
void Ledger::add_limits(Report& report) {
  constexpr std::uint64_t kNearPercent = 80;
  const std::uint64_t most = report.process.fd_max.value_or(0);
  const std::uint64_t used = report.process.fd_use.value_or(0);
  if (report.limits.descriptors == 0 && (most == 0 || used * 100 < most * kNearPercent)) {
    return;
  }
  for (const recording::HeldDescriptors& held : reader_.held_descriptors()) {
    report.limits.held.push_back({held_text(held), held.count});
  }
}

void Ledger::sample_children() {
  if (header().children_started == 0) {
    return;
  }
  std::vector<std::int32_t> roots = {header().pid};
  for (const recording::ChildRecord& child : reader_.children()) {
    if (child.ended == 0 && child_state(child.pid, header().pid) == ChildState::kRuns) {
      roots.push_back(child.pid);
    }
  }
  if (roots.size() > 1) {
    all_peak_rss_ = std::max(all_peak_rss_, resident_bytes_below(roots));
  }
}

// A child that came and went between two looks left what its rusage says. It begins with the memory
// of its parent, so only more than that is its own.
void Ledger::add_all_memory(Report& report) {
  const std::uint64_t own_peak = report.process.peak_rss_bytes.value_or(0);
  const std::uint64_t own = report.process.rss_bytes.value_or(0);
  for (const ChildFigures& child : report.children) {
    const std::uint64_t bytes = child.max_rss_bytes.value_or(0);
    if (own_peak != 0 && bytes > own_peak && own != 0) {
      all_peak_rss_ = std::max(all_peak_rss_, own + bytes);
    }
  }
  // Pages that several share are counted more than once: it cannot be more than there is.
  const std::uint64_t most = memory_limit_bytes().value_or(UINT64_MAX);
  if (all_peak_rss_ > own_peak) {
    report.process.all_peak_rss_bytes = std::max(own_peak, std::min(all_peak_rss_, most));
  }
}

void Ledger::add_children(Report& report, std::uint64_t from, std::uint64_t until) {
  constexpr std::uint64_t kSigkill = 9;
  if (header().children_started == 0) {
    return;
  }
  const recording::ClockScale clock = reader_.clock();
  const bool runs = process_.runs();
  bool killed = false;
  for (const recording::ChildRecord& record : reader_.children()) {
    if ((record.ended != 0 && record.ended < from) || record.started > until) {
      continue;
    }
    ChildFigures child;
    child.pid = record.pid;
    child.program = record.program;
    child.arguments = record.arguments;
    child.earlier = record.started < from;
    child.signalled = record.signalled;
    const bool ended = record.ended != 0 && record.ended <= until;
    if (!ended && !runs) {
      // Both are gone: it was killed with its parent, or it had ended long before.
      if (child.earlier) {
        continue;
      }
      child.running = true;
    } else if (!ended) {
      const ChildState state = child_state(record.pid, header().pid);
      if (state == ChildState::kGone) {
        continue;  // somebody else has waited for it, or nobody has to
      }
      child.running = state == ChildState::kRuns;
      child.forgotten = state == ChildState::kEnded;
    }
    if (record.started != 0) {
      const std::uint64_t end = ended ? record.ended : until;
      child.duration_ns = clock.duration_ns(end - std::min(end, record.started));
    }
    if (ended && record.status) {
      take_status(child, *record.status);
      killed |= WIFSIGNALED(*record.status) && WTERMSIG(*record.status) == kSigkill;
    }
    if (ended) {
      child.cpu_ns = record.cpu_ns;
      child.max_rss_bytes = record.max_rss_bytes;
    }
    report.children.push_back(std::move(child));
  }
  if (killed) {  // SIGKILL, but by whom?
    const MemoryKills now = count_memory_kills(header().pid);
    report.memory_kill =
        (now.group && kills_.group && *now.group > *kills_.group) ||
        (!now.group && now.machine && kills_.machine && *now.machine > *kills_.machine);
    kills_ = now;
  }
}

}  // namespace lamprey::report
