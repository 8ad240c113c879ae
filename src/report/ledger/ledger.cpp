// Reports of one recording, each exactly once; see the header.
#include "report/ledger/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "report/delta/difference.h"
#include "report/delta/time_account.h"
#include "report/findings/children.h"
#include "report/findings/findings.h"
#include "report/model/order.h"
#include "report/procfs/process.h"
#include "report/text/headline.h"

namespace lamprey::report {
namespace {

using recording::Invocation;
using recording::InvocationState;
using recording::kInvocations;
using recording::Totals;

constexpr std::uint64_t kNsAMs = 1'000'000;
constexpr std::uint32_t kTooLarge = 413;
// Spent at most once in a hundred invocations, and only where much memory is not accounted for.
constexpr std::uint64_t kMaxAddressSpaceNs = 3 * kNsAMs;

std::optional<std::uint64_t> span(const recording::ClockPair& from,
                                  const recording::ClockPair& to) {
  if (from.mono_ns == 0 || to.mono_ns < from.mono_ns) {
    return std::nullopt;
  }
  return to.mono_ns - from.mono_ns;
}

// What the process itself has used. Network counters are left out: they are the machine's and began
// before the process.
ProcessFigures since_start(ProcessFigures now) {
  now.rx_bytes.reset();
  now.tx_bytes.reset();
  return now;
}

void fill_cpu(Report& report, const recording::ResourceUse& before,
              const recording::ResourceUse& after) {
  if (after.cpu_user_ns >= before.cpu_user_ns && after.cpu_system_ns >= before.cpu_system_ns) {
    report.process.cpu_user_ns = after.cpu_user_ns - before.cpu_user_ns;
    report.process.cpu_system_ns = after.cpu_system_ns - before.cpu_system_ns;
  }
}

}  // namespace

std::uint64_t latest_end(const Invocation& entry, std::uint64_t now_mono_ns) {
  const std::uint64_t deadline_ns = entry.deadline_ms * kNsAMs;
  if (entry.deadline_ms == 0 || entry.deadline_ms > UINT64_MAX / kNsAMs ||
      deadline_ns <= entry.started_real_ns || now_mono_ns <= entry.started.mono_ns) {
    return now_mono_ns;
  }
  return entry.started.mono_ns +
         std::min(deadline_ns - entry.started_real_ns, now_mono_ns - entry.started.mono_ns);
}

Ledger::Ledger(recording::Reader reader)
    : reader_(std::move(reader)),
      process_(header().pid, header().process_start),
      run_delays_(header().pid),
      held_back_(header().pid),
      base_(std::make_unique<Totals>()),
      kills_(count_memory_kills(header().pid)) {}

std::optional<std::uint64_t> Ledger::memory_limit_bytes() const {
  const std::uint64_t limit_mb = header().memory_limit_mb;
  return limit_mb != 0 && limit_mb < 1U << 24U ? std::optional(limit_mb << 20U) : std::nullopt;
}

std::optional<SelfReport> Ledger::self_report() {
  std::uint64_t last = 0;
  if (const auto newest = reader_.invocation(header().started)) {
    last = std::max({newest->started.mono_ns, newest->responded.mono_ns, newest->ended.mono_ns});
  }
  return self_report_of(header(), last);
}

Report Ledger::begin(Type type) {
  const recording::Header& h = header();
  Report report;
  report.type = type;
  report.pid = h.pid;
  const std::string_view executable = h.executable;
  report.program = executable.substr(executable.rfind('/') + 1);
  if (const std::size_t folder = executable.rfind("/bin/"); folder != std::string_view::npos) {
    report.runtime_library = std::string(executable.substr(0, folder)) + "/lib";
  }
  if (h.role == recording::Role::kChild) {
    report.child_pid = h.pid;
    report.parent_pid = h.parent_pid;
  }
  report.function_name = h.function_name;
  report.function_version = h.function_version;
  if (h.memory_limit_mb != 0) {
    report.memory_limit_mb = h.memory_limit_mb;
  }
  report.coverage.mode = h.role == recording::Role::kRun ? "process" : "api";
  report.coverage.threads_without_slot = h.threads_without_slot;
  report.coverage.rows_refused = h.rows_refused;
  report.coverage.traffic_dropped = h.traffic_dropped;
  report.coverage.boundaries_missed = h.boundaries_missed;
  report.coverage.invocations_lost = lost_;
  report.coverage.stacks_refused = h.stacks_refused;
  report.coverage.modules_refused = h.modules_refused;
  report.coverage.functions_refused = h.functions_refused;
  report.coverage.samples_unplaced = h.samples_unplaced;
  report.coverage.mappings_unfollowed = h.mappings_unfollowed;
  if (h.sample_bytes != 0) {
    report.coverage.sampled_bytes = std::max(h.sample_bytes, h.sample_now);
  }
  if ((h.flags & recording::kFlagStacks) == 0) {
    report.coverage.add_unseen(
        "stacks: the walk at attach did not reach its own caller, none are taken");
  }
  report.self.attach_ns = span(h.attach_begin, h.attach_end);
  report.self.recording_bytes = h.file_bytes;
  report.coverage.targets_refused = h.targets_refused;
  if ((h.flags & recording::kFlagIoUring) != 0) {
    report.coverage.add_unseen("io_uring: operations that went through it");
  }
  if (reader_.dropped_count() != 0) {
    for (const std::string& text : reader_.dropped()) {
      report.coverage.unseen.push_back("recording: " + text);
    }
  }
  return report;
}

void Ledger::fill(Report& report, const Totals& before, const Totals& after, bool peaks_known) {
  const Peaks peaks = peaks_known ? Peaks::kOfSpan : Peaks::kUnknown;
  report.memory = memory_between(before, after, peaks);
  const recording::ClockScale clock = reader_.clock();
  report.calls = calls_between(before, after, clock, peaks);
  add_errors(report);
  add_kernel(report, before, after, peaks);
  report.targets = targets_between(before, after, reader_.targets(), clock);
  add_unseen_memory(report, after);
  add_unnamed_functions(report);
  // The process's own figures, taken at the mark, are finer than /proc's ticks and exact to the
  // moment. They replace what /proc says now.
  if (after.use.max_rss_bytes != 0) {
    // The kernel keeps both figures in per-thread parts that it adds up now and then: the present
    // figure may exceed the peak.
    report.process.peak_rss_bytes =
        std::max(after.use.max_rss_bytes, report.process.rss_bytes.value_or(0));
    if (before.use.max_rss_bytes != 0 || before.at.mono_ns == 0) {  // or from the start
      fill_cpu(report, before.use, after.use);
    }
  }
}

void Ledger::add_sites(Report& report, std::vector<MemorySite> sites) const {
  if (report.memory) {
    report.memory->sites = std::move(sites);
  }
}

void Ledger::finish(Report& report, const Sink& sink) {
  report.self.dropped = reader_.dropped_count();
  add_unsampled(report);
  add_findings(report);
  if (report.type == Type::kInvoke) {
    finding_dedup_.mark(report);
    if (is_worth_all(report)) {
      complete_process(report);
      if (report.memory) {
        sites_.describe(reader_, report.memory->sites);
      }
    }
  }
  name_holder(report);
  finish_timeline(report);
  if (is_worth_all(report)) {
    add_first_uses(report);
  }
  offer_profile(report);
  add_headline(report);
  sink(report);
}

bool Ledger::report_init(const Sink& sink) {
  if (reported_.init || !init_ended()) {
    return false;
  }
  reported_.init = true;
  Report report = begin(Type::kInit);
  report.cold_start = true;
  report.started_real_ns = header().attach_real_ns;
  report.init_ns = span(header().attach_begin, header().init_end);
  const ProcessFigures now = process_.figures();
  report.process = since_start(now);
  last_process_ = now;
  runnable_since(header().pid);
  held_back_.by_quota_ns();
  held_back_.by_host_ns();
  if (auto totals = reader_.boundary(0)) {
    fill(report, *base_, *totals, true);
    std::uint64_t opened = 0;
    for (const CallFigures& call : report.calls->by_time) {
      if (call.call == recording::Call::k_open || call.call == recording::Call::k_openat ||
          call.call == recording::Call::k_creat) {
        opened += call.calls - std::min(call.calls, call.errors);
      }
    }
    report.files_opened = opened;
    add_sites(report, sites_.take(reader_, 0));
    add_cpu(report, cpu_.take(reader_));
    looked_at_ = header().started;
    fill_init(report);
    add_timeline(report, {0, header().attach_begin.ticks, header().init_end.ticks, header().pid});
    base_ = std::move(totals);
    base_sequence_ = 0;
  } else {
    report.coverage.add_unseen("totals of init: overwritten before they were read");
  }
  add_direct_syscalls(report);
  finish(report, sink);
  return true;
}

void Ledger::restore(const Reported& before) {
  reported_ = before;
  // Totals count from the newest boundary that is still there.
  if (reported_.next > 1 || reported_.init) {
    profile_.begin(reader_, reported_.next - 1);
    if (auto totals = reader_.boundary(reported_.next - 1)) {
      base_ = std::move(totals);
      base_sequence_ = reported_.next - 1;
    }
  }
}

bool Ledger::refresh_ahead() {
  const std::uint64_t newest = header().started;
  return reader_.refresh_ahead(newest != 0 && !reported(newest) ? newest : newest + 1);
}

bool Ledger::reported(std::uint64_t sequence) const {
  return sequence < reported_.next || reported_.flags[sequence % kInvocations];
}

void Ledger::mark_given(std::uint64_t sequence) {
  reported_.flags[sequence % kInvocations] = true;
  while (reported_.flags[reported_.next % kInvocations]) {
    reported_.flags[reported_.next % kInvocations] = false;
    ++reported_.next;
  }
}

// The ring keeps only the newest invocations. Older ones that were not reported are counted as
// lost.
void Ledger::skip_overwritten() {
  const std::uint64_t newest = header().started;
  if (newest < reported_.next || newest - reported_.next < kInvocations) {
    return;
  }
  const std::uint64_t oldest = newest - kInvocations + 1;
  if (oldest - reported_.next >
      kInvocations) {  // far behind, or a forged number: do not loop 2^64 times
    lost_ += oldest - reported_.next - reported_.flags.count();
    reported_.flags.reset();
    reported_.next = oldest;
    return;
  }
  while (reported_.next < oldest) {
    lost_ += reported_.flags[reported_.next % kInvocations] ? 0 : 1;
    reported_.flags[reported_.next % kInvocations] = false;
    ++reported_.next;
  }
}

std::size_t Ledger::report_ended(const Sink& sink) {
  skip_overwritten();
  const std::uint64_t newest = std::min(header().started, reported_.next + kInvocations - 1);
  std::vector<Invocation> ended;
  for (std::uint64_t sequence = reported_.next; sequence <= newest; ++sequence) {
    if (reported(sequence)) {
      continue;
    }
    if (auto entry = reader_.invocation(sequence);
        entry && entry->state == InvocationState::kEnded) {
      ended.push_back(*entry);
    }
  }
  if (ended.empty()) {
    return 0;
  }
  // Entries and boundaries are read afresh. What the header counts (targets, stacks, errors) has to
  // be at least as new, or what an invocation met first would be missing from its report.
  if (!reader_.is_ahead()) {
    reader_.refresh();
  }
  // Concurrent invocations may end in another order than they started. Totals run from one end to
  // the next.
  put_in_order(ended, [](const Invocation& a, const Invocation& b) {
    return a.ended.mono_ns < b.ended.mono_ns;
  });
  const bool alone = is_alone(ended);
  const ProcessFigures now = everything_ ? process_.figures() : process_.memory();
  const ProcessFigures before = std::exchange(last_process_, now);
  process_before_.reset();
  if (!everything_ && alone) {
    process_before_ = before;
  }
  for (const Invocation& entry : ended) {
    present_ = alone || !is_in_batches() ? Present::kOwn
               : &entry == &ended.back() ? Present::kNewest
                                         : Present::kNone;
    Report report = begin(Type::kInvoke);
    report.status = (entry.flags & recording::kInvocationError) != 0 ? Status::kError : Status::kOk;
    fill_invocation(report, entry);
    report.duration_ns = span(entry.started, entry.ended);
    if (alone) {  // else the growth cannot be divided among them
      report.process = since(before, now);
    } else if (present_ == Present::kNewest) {
      report.process = since({}, now);
      process_before_ = ProcessFigures{};
    }
    const bool own = alone || present_ == Present::kNewest;
    // Before the hosts and files, so that not all tables are held at once.
    std::vector<MemorySite> sites =
        own ? sites_.take(reader_, entry.sequence, !everything_) : std::vector<MemorySite>();
    fill_totals(report, entry);
    if (needs_whole_process(report)) {
      complete_process(report);
    }
    if (own) {
      add_sampled(report, std::move(sites));
    } else if (!is_in_batches() && header().stacks_used != 0 &&
               !recording::is_concurrent(header())) {
      report.coverage.add_unseen(
          "memory by site, CPU time by function: others ended before this was read");
    }
    fill_wall(report, entry);
    if (alone) {
      std::vector<recording::SlotLook> slots = reader_.slots();
      charge_to_others(report, entry, slots);
      add_work_left(report, entry, slots);
      slots_before_ = std::move(slots);
    } else {
      slots_before_.clear();
    }
    add_children(report, entry.started.ticks, entry.ended.ticks);
    add_all_memory(report);
    add_limits(report);
    time_history_.add_findings(report);
    note_slowest(report);
    timeline_of_ = {entry.sequence, entry.started.ticks, entry.ended.ticks, handler_of(entry).tid};
    if (is_network_large(report)) {  // what is found may need it
      add_timeline(report, timeline_of_);
    }
    mark_given(entry.sequence);
    leaks_.look(report);
    memory_watch_.look(report, [this] {
      return address_space_.read_on(header().pid, header().process_start,
                                    recording::monotonic_ns() + kMaxAddressSpaceNs);
    });
    finish(report, sink);
  }
  if (ended.size() > 1 && !is_in_batches()) {  // their allocations cannot be told apart
    sites_.take(reader_, newest);
    cpu_.take(reader_);
  }
  return ended.size();
}

void Ledger::fill_invocation(Report& report, const Invocation& entry) {
  report.request_id = entry.request_id;
  report.trace_id = entry.trace_id;
  report.invocation = entry.sequence;
  report.cold_start = entry.sequence == 1;
  report.started_real_ns = entry.started_real_ns;
  report.started_mono_ns = entry.started.mono_ns;
  if (entry.responded.mono_ns != 0) {
    report.response_ns = span(entry.started, entry.responded);
  }
  if (!is_in_batches() || entry.state != InvocationState::kEnded ||
      (entry.flags & recording::kInvocationError) != 0) {
    report.error_type = reader_.error_type(entry.sequence);
  }
  if (entry.response_bytes != 0) {
    report.response_bytes = entry.response_bytes;
  }
  if (entry.response_status != 0) {
    report.response_status = entry.response_status;
  }
  if (report.error_type.empty() && entry.response_status == kTooLarge) {
    report.error_type = "Function.ResponseSizeTooLarge";  // Lambda's own word
  }
}

std::size_t Ledger::report_open(const EndCause& end, const Sink& sink) {
  skip_overwritten();
  const std::uint64_t newest = std::min(header().started, reported_.next + kInvocations - 1);
  std::size_t count = 0;
  for (std::uint64_t sequence = reported_.next; sequence <= newest; ++sequence) {
    const auto entry = reported(sequence) ? std::nullopt : reader_.invocation(sequence);
    if (!entry || entry->state == InvocationState::kEnded) {
      continue;
    }
    Report report = begin(Type::kInvoke);
    report.status = end.status;
    report.death = end.death;
    report.findings = end.findings;
    fill_invocation(report, *entry);
    const std::uint64_t until = latest_end(*entry, end.mono_ns);
    if (end.duration_known && until > entry->started.mono_ns) {
      report.duration_ns = until - entry->started.mono_ns;
    }
    present_ = Present::kOwn;
    const auto totals = reader_.live(end.found_later ? entry->started.mono_ns : until);
    if (base_sequence_ != sequence - 1) {
      if (auto before = reader_.boundary(sequence - 1)) {
        base_ = std::move(before);
        base_sequence_ = sequence - 1;
      }
    }
    fill(report, *base_, *totals, base_sequence_ == sequence - 1);
    add_sites(report, sites_.take(reader_, sequence));
    add_cpu(report, cpu_.take(reader_));
    const std::int32_t handler = handler_now(*entry, end);
    add_blocked(report, handler, entry->started.mono_ns, until, end);
    add_stacks(report);
    fill_open_wall(report, *entry, handler, until, end);
    add_children(report, entry->started.ticks, reader_.clock().ticks_at(until));
    if (const ChildFigures* child = child_waited_for(report)) {
      report.blocked.front().target = child_target(*child);
      report.blocked.front().awaited = Awaited::kUnknown;
    }
    add_all_memory(report);
    add_limits(report);
    add_timeline(report,
                 {sequence, entry->started.ticks, reader_.clock().ticks_at(until), handler});
    mark_given(sequence);
    finish(report, sink);
    ++count;
  }
  return count;
}

void Ledger::report_process_end(Type type, const EndCause& end, const Sink& sink) {
  Report report = begin(type);
  report.status = end.status;
  report.death = end.death;
  report.findings = end.findings;
  // After an error that the runtime itself reported, the calls its threads are in are not the
  // cause.
  const bool killed = end.status != Status::kOk && end.status != Status::kError;
  if (type == Type::kInit && killed) {
    add_blocked(report, header().pid, header().attach_begin.mono_ns, end.mono_ns, end);
  }
  add_stacks(report);
  reported_.init = reported_.init || type == Type::kInit;
  reported_.whole = true;
  report.started_real_ns = header().attach_real_ns;
  if (end.duration_known && end.mono_ns > header().attach_begin.mono_ns) {
    report.duration_ns = end.mono_ns - header().attach_begin.mono_ns;
  }
  const auto totals = reader_.live(end.mono_ns);
  // Peaks start anew at every boundary: they cover the whole only if there was none.
  fill(report, Totals{}, *totals, header().boundary_sequence == 0 && header().started == 0);
  add_sites(report, SiteLedger::whole(reader_));
  add_cpu(report, CpuLedger::whole(reader_));
  report.process = since_start(process_.figures());
  if (type == Type::kInit || type == Type::kRun) {
    add_timeline(report, {0, header().attach_begin.ticks, reader_.clock().ticks_at(end.mono_ns),
                          header().pid});
  }
  if (type == Type::kInit) {
    report.error_type = reader_.error_type(0);
  }
  add_limits(report);
  add_direct_syscalls(report);
  finish(report, sink);
}

std::optional<Invocation> Ledger::find(std::string_view request_id) {
  const std::uint64_t newest = header().started;
  const std::uint64_t kept = newest - std::min<std::uint64_t>(newest, kInvocations - 1);
  for (std::uint64_t sequence = newest; sequence >= std::max(reported_.next, kept); --sequence) {
    auto entry = reported(sequence) ? std::nullopt : reader_.invocation(sequence);
    if (entry && request_id == entry->request_id) {
      return entry;
    }
  }
  return std::nullopt;
}

}  // namespace lamprey::report
