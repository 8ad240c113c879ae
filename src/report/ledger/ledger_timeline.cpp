// Ledger: which waits of an invocation its line shows, in the order of their start.
#include <algorithm>

#include "report/delta/stacks.h"
#include "report/findings/children.h"
#include "report/findings/finding_dedup.h"
#include "report/ledger/ledger.h"
#include "report/model/order.h"

namespace lamprey::report {
namespace {

using recording::CallClass;

constexpr std::size_t kMaxShown = 48;

// A thread of a pool that has nothing to do waits too, and nobody for it.
bool may_be_idle(CallClass spent_on, bool has_target) {
  return !has_target && (spent_on == CallClass::kLock || spent_on == CallClass::kSleep ||
                         spent_on == CallClass::kWait || spent_on == CallClass::kOther);
}

void keep_longest(std::vector<TimelineWait>& waits) {
  if (waits.size() > kMaxShown) {
    put_in_order(waits, [](const auto& a, const auto& b) { return a.for_ns > b.for_ns; });
    waits.resize(kMaxShown);
  }
  put_in_order(waits, [](const auto& a, const auto& b) { return a.at_ns < b.at_ns; });
}

// Whether the line shows when its waits were.
bool is_shown(const Report& report) {
  return report.slowest || is_worth_all(report) ||
         std::any_of(report.findings.begin(), report.findings.end(), [](const Finding& finding) {
           return finding.code.starts_with("network.") || finding.code.starts_with("time.") ||
                  finding.code.starts_with("timeout.");
         });
}

}  // namespace

void Ledger::add_timeline(Report& report, std::uint64_t sequence, const TimelineSpan& span) {
  const recording::ClockScale clock = reader_.clock();
  const std::vector<recording::Wait> waits = reader_.timeline(sequence);
  for (const recording::Wait& wait : waits) {
    const bool handler = wait.tid == span.handler;
    if (wait.ended <= span.from || wait.ended > span.until || wait.ticks > wait.ended ||
        (!handler && may_be_idle(wait.spent_on, wait.target != 0))) {
      continue;
    }
    const std::uint64_t began = std::max(wait.ended - wait.ticks, span.from);
    TimelineWait shown;
    shown.at_ns = clock.duration_ns(began - span.from);
    shown.for_ns = clock.duration_ns(wait.ended - began);
    if (shown.for_ns < recording::kLeastWaitNs) {
      continue;
    }
    shown.call = static_cast<recording::Call>(wait.call);
    shown.spent_on = wait.spent_on;
    shown.phase = wait.phase;
    shown.tid = wait.tid;
    shown.handler = handler;
    shown.target_plus_one = wait.target;
    shown.stack_id = wait.stack;
    report.timeline.push_back(std::move(shown));
  }
  for (const Blocked& blocked : report.blocked) {  // they have not ended
    const CallClass by_name =
        recording::kCallTable[static_cast<std::size_t>(blocked.call)].call_class;
    if (blocked.on_cpu || !blocked.for_ns || *blocked.for_ns < recording::kLeastWaitNs ||
        (!blocked.handler && may_be_idle(by_name, !blocked.target.empty()))) {
      continue;
    }
    TimelineWait shown;
    const std::uint64_t whole = clock.duration_ns(span.until - span.from);
    shown.for_ns = std::min(*blocked.for_ns, whole);
    shown.at_ns = whole - shown.for_ns;
    shown.call = blocked.call;
    shown.spent_on = blocked.awaited == Awaited::kAnswer ? CallClass::kNetwork : by_name;
    shown.tid = blocked.tid;
    shown.handler = blocked.handler;
    shown.open = true;
    shown.target = blocked.target;
    shown.stack_id = blocked.stack_id;
    report.timeline.push_back(std::move(shown));
  }
  keep_longest(report.timeline);
}

// Slower than each of the hundred before; of the first ones nobody knows yet what is slow.
void Ledger::note_slowest(Report& report) {
  constexpr std::size_t kFirst = 20;
  const auto us = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(report.duration_ns.value_or(0) / 1000, UINT32_MAX));
  report.slowest =
      recent_ >= kFirst && us > *std::max_element(recent_us_.begin(), recent_us_.end());
  recent_us_[recent_++ % recent_us_.size()] = us;
}

// What a line that shows the waits needs beyond their figures; others lose them.
void Ledger::finish_timeline(Report& report) {
  if (!is_shown(report)) {
    report.timeline.clear();
  }
  if (report.timeline.empty()) {
    return;
  }
  const std::vector<recording::TargetName>& names = reader_.targets();
  const ModuleMap modules(reader_.modules());
  for (TimelineWait& wait : report.timeline) {
    for (const recording::TargetName& name : names) {
      if (name.index + 1 == wait.target_plus_one) {
        wait.target = name.kind == recording::TargetKind::kHost
                          ? recording::label_of(name.name, name.address)
                          : name.name;
      }
    }
    if (wait.spent_on == CallClass::kChild && wait.target.empty() && report.children.size() == 1) {
      wait.target = child_name(report.children.front());
    }
    if (const auto captured = reader_.stack(wait.stack_id)) {
      wait.stack = modules.frames_of(*captured);
    }
  }
}

}  // namespace lamprey::report
