// Ledger: which waits of an invocation its line shows, in the order of their start.
#include <algorithm>
#include <utility>

#include "report/delta/stacks.h"
#include "report/findings/children.h"
#include "report/findings/finding_dedup.h"
#include "report/ledger/ledger.h"
#include "report/model/order.h"
#include "report/text/frame_names.h"

namespace lamprey::report {
namespace {

using recording::CallClass;

// A thread of a pool that has nothing to do waits too, and nobody for it.
bool may_be_idle(const Blocked& wait) {
  return !wait.handler && wait.target.empty() && wait.target_plus_one == 0 &&
         (wait.spent_on == CallClass::kLock || wait.spent_on == CallClass::kSleep ||
          wait.spent_on == CallClass::kWait || wait.spent_on == CallClass::kOther);
}

bool is_for_thread(const Blocked& wait) {
  const auto call = static_cast<std::size_t>(wait.call);
  return recording::kCallTable[call].call_class == CallClass::kLock;
}

// How long both lasted.
std::uint64_t both_ns(const Blocked& a, const Blocked& b) {
  const std::uint64_t begin = std::max(a.at_ns, b.at_ns);
  const std::uint64_t end =
      std::min(a.at_ns + a.for_ns.value_or(0), b.at_ns + b.for_ns.value_or(0));
  return end > begin ? end - begin : 0;
}

bool is_own_sleep(const Blocked& wait) {
  return !wait.handler && wait.spent_on == CallClass::kSleep && !is_for_thread(wait);
}

// Who slept for most of `wait`, which was for that thread; null: not known.
const Blocked* sleeper_in(const std::vector<Blocked>& waits, const Blocked& wait) {
  const Blocked* found = nullptr;
  std::uint64_t most = wait.for_ns.value_or(0) / 2;
  for (const Blocked& other : waits) {
    if (is_own_sleep(other) && both_ns(other, wait) >= most) {
      most = both_ns(other, wait);
      found = &other;
    }
  }
  return found;
}

// Other threads sleep as they please; but not those that the handler waited for meanwhile.
void add_sleepers(std::vector<Blocked>& timeline, const std::vector<Blocked>& sleepers) {
  const std::size_t count = timeline.size();
  for (std::size_t i = 0; i < count; ++i) {
    const Blocked wait = timeline[i];
    const bool handed_on =
        wait.handler && wait.spent_on == CallClass::kSleep && is_for_thread(wait);
    const Blocked* sleeper = handed_on ? sleeper_in(sleepers, wait) : nullptr;
    if (sleeper != nullptr && sleeper_in(timeline, wait) == nullptr) {
      timeline.push_back(*sleeper);
    }
  }
}

// Takes back the last of them where it is short, or nobody waited for it.
void leave_out_unworthy(std::vector<Blocked>& waits, std::vector<Blocked>& sleepers) {
  const std::uint64_t least = recording::is_import(waits.back().phase) ? recording::kLeastImportNs
                                                                       : recording::kLeastWaitNs;
  if (waits.back().for_ns < least || may_be_idle(waits.back())) {
    if (is_own_sleep(waits.back())) {
      sleepers.push_back(std::move(waits.back()));
    }
    waits.pop_back();
  }
}

// Where the handler waited, for a finding about such waits: the stack that most of `all_ns` was
// waited on, if that is half of it at least.
void add_place(Report& report, std::string_view code, CallClass spent_on, std::uint64_t all_ns) {
  for (Finding& finding : report.findings) {
    if (finding.code != code || !finding.site.empty()) {
      continue;
    }
    std::uint64_t most = 0;
    const Blocked* longest = nullptr;
    for (const Blocked& wait : report.timeline) {
      std::uint64_t here = 0;
      for (const Blocked& other : report.timeline) {
        const bool same = other.handler && other.spent_on == spent_on &&
                          other.stack_id == wait.stack_id && !recording::is_import(other.phase);
        here += same ? other.for_ns.value_or(0) : 0;
      }
      if (here > most && here >= all_ns / 2 && is_of_program(wait.stack)) {
        most = here;
        longest = &wait;
        finding.site = wait.stack;
      }
    }
    if (longest != nullptr && spent_on == CallClass::kSleep && is_for_thread(*longest)) {
      finding.text += " Another thread slept, and the handler waited for it.";
      const Blocked* sleeper = sleeper_in(report.timeline, *longest);
      if (sleeper != nullptr && is_of_program(sleeper->stack)) {
        finding.site = sleeper->stack;
      }
    }
  }
}

void keep_longest(std::vector<Blocked>& waits, std::size_t most) {
  if (waits.size() > most) {
    put_in_order(waits, [](const auto& a, const auto& b) { return a.for_ns > b.for_ns; });
    waits.resize(most);
  }
  put_in_order(waits, [](const auto& a, const auto& b) { return a.at_ns < b.at_ns; });
}

}  // namespace

void Ledger::add_timeline(Report& report, const TimelineSpan& span) {
  const recording::ClockScale clock = reader_.clock();
  std::vector<recording::Wait> waits = reader_.timeline(span.sequence);
  const std::size_t kept = waits.size();
  if (span.sequence == 0) {  // what init was importing at its end
    recording::Wait parts[2];
    const std::uint32_t count = recording::import_parts(header().importing, span.until, parts);
    waits.insert(waits.end(), parts, parts + count);
  }
  std::vector<Blocked> sleepers;
  for (const recording::Wait& wait : waits) {
    if (wait.ended <= span.from || wait.ended > span.until || wait.ticks > wait.ended) {
      continue;
    }
    const std::uint64_t began = std::max(wait.ended - wait.ticks, span.from);
    Blocked& shown = report.timeline.emplace_back();
    shown.at_ns = clock.duration_ns(began - span.from);
    shown.for_ns = clock.duration_ns(wait.ended - began);
    shown.call = static_cast<recording::Call>(wait.call);
    shown.spent_on = wait.spent_on;
    shown.phase = wait.phase;
    shown.tid = wait.tid;
    shown.handler = wait.tid == span.handler;
    shown.target_plus_one = wait.target;
    shown.stack_id = wait.stack;
    shown.open = !init_ended() && waits.size() > kept && &wait == &waits.back();
    leave_out_unworthy(report.timeline, sleepers);
  }
  const std::uint64_t whole = clock.duration_ns(span.until - std::min(span.until, span.from));
  for (const Blocked& blocked : report.blocked) {  // what has not ended
    if (!blocked.on_cpu && blocked.for_ns) {
      Blocked& shown = report.timeline.emplace_back();
      shown.open = true;
      shown.for_ns = std::min(*blocked.for_ns, whole);
      shown.at_ns = whole - *shown.for_ns;
      shown.call = blocked.call;
      shown.spent_on =
          blocked.awaited == Awaited::kAnswer
              ? CallClass::kNetwork
              : recording::kCallTable[static_cast<std::size_t>(blocked.call)].call_class;
      shown.tid = blocked.tid;
      shown.handler = blocked.handler;
      shown.target = blocked.target;
      shown.stack_id = blocked.stack_id;
      leave_out_unworthy(report.timeline, sleepers);
    }
  }
  add_sleepers(report.timeline, sleepers);
  keep_longest(report.timeline, kMaxTimeline);
}

// Slower than each of the hundred before; of the first ones nobody knows yet what is slow.
void Ledger::note_slowest(Report& report) {
  constexpr std::size_t kFirst = 20;
  const auto us = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(report.duration_ns.value_or(0) / 1000, UINT32_MAX));
  report.slowest = recent_ >= kFirst;
  for (const std::uint32_t before : recent_us_) {
    report.slowest = report.slowest && us > before;
  }
  recent_us_[recent_++ % recent_us_.size()] = us;
}

// What a line that shows the waits needs beyond their figures; others lose them.
void Ledger::finish_timeline(Report& report) {
  const TimelineSpan span = std::exchange(timeline_of_, {});
  const bool is_known = !report.timeline.empty() || span.until == 0;
  const bool worth_it = is_worth_all(report) || is_about_time(report);
  const bool shown = everything_ || worth_it;
  if (!is_known && shown) {
    add_timeline(report, span);
  }
  if (report.timeline.empty() || !shown) {
    report.timeline.clear();
    return;
  }
  if (!worth_it) {  // the companion's memory must not grow with each busy invocation
    keep_longest(report.timeline, kMaxTimelineOfAny);
  }
  const std::vector<recording::TargetName>& names = reader_.targets();
  const ModuleMap& modules = modules_.of(reader_);
  for (Blocked& wait : report.timeline) {
    for (const recording::TargetName& name : names) {
      if (name.index + 1 == wait.target_plus_one) {
        wait.target = recording::label_of(name.name, name.address);
      }
    }
    if (wait.spent_on == CallClass::kChild && wait.target.empty() && report.children.size() == 1) {
      wait.target = child_name(report.children.front());
    }
    if (const auto captured = reader_.stack(wait.stack_id)) {
      wait.stack = modules.frames_of(*captured);
    }
  }
  if (report.wall) {
    add_place(report, "locks.contended", CallClass::kLock, report.wall->lock_ns);
    add_place(report, "time.sleeping", CallClass::kSleep, report.wall->sleep_ns);
    add_place(report, "children.slow", CallClass::kChild, report.wall->child_ns);
  }
}

// Who first asked for the hosts and files that a full line has.
void Ledger::add_first_uses(Report& report) {
  constexpr std::size_t kMaxListed = 20;
  const ModuleMap& modules = modules_.of(reader_);
  const auto describe = [this, &modules](FirstUse& from) {
    if (const auto captured = reader_.stack(from.stack_id)) {
      from.stack = modules.frames_of(*captured);
    }
    if (const auto last = is_of_program(from.stack) ? std::nullopt : reader_.stack(from.after_id)) {
      from.after = true;
      from.stack = modules.frames_of(*last);
    }
  };
  std::size_t most = std::min(kMaxListed, report.targets.hosts.size());
  for (std::size_t i = 0; i < most; ++i) {
    describe(report.targets.hosts[i].from);
  }
  most = std::min(kMaxListed, report.targets.files.size());
  for (std::size_t i = 0; i < most; ++i) {
    describe(report.targets.files[i].from);
  }
}

}  // namespace lamprey::report
