// Choosing what is shown; see the header.
#include "cli/analysis/notable.h"

#include <algorithm>
#include <set>

#include "cli/analysis/function_sums.h"
#include "cli/input/json_values.h"

namespace lamprey::cli {
namespace {

using Shown = std::shared_ptr<const ShownInvocation>;

constexpr std::uint64_t kNsAMs = 1'000'000;
constexpr std::size_t kBadEnds = 4;
constexpr std::size_t kWithFindings = 3;
constexpr std::size_t kSlowest = 3;
constexpr std::size_t kSlowestWithWaits = 3;
constexpr std::size_t kStarts = 2;
constexpr std::size_t kMostFindings = 6;
constexpr std::size_t kMostShownWaits = 48;    // as many as a line of ours has
constexpr std::size_t kMostShownThreads = 16;  // of `blocked`

std::uint64_t duration_of(const Value& record) {
  return is(record, "type", "init") ? number(record["init"], "total_ms", kNsAMs).value_or(0)
                                    : number(record, "duration_ms", kNsAMs).value_or(0);
}

bool has_weighty_finding(const Value& record) {
  for (const Value finding : list(record, "findings")) {
    if (is(finding, "severity", "warning") || is(finding, "severity", "critical")) {
      return true;
    }
  }
  return false;
}

// The longest where there are more than a page shows.
std::vector<Wait> few_waits(const Value& record) {
  std::vector<Wait> waits = waits_of(record);
  mark_path(waits);
  if (waits.size() > kMostShownWaits) {
    std::stable_sort(waits.begin(), waits.end(),
                     [](const Wait& a, const Wait& b) { return a.for_ns > b.for_ns; });
    waits.resize(kMostShownWaits);
    std::stable_sort(waits.begin(), waits.end(),
                     [](const Wait& a, const Wait& b) { return a.at_ns < b.at_ns; });
  }
  return waits;
}

ShownInvocation shown_of(const Value& record, std::uint64_t line) {
  ShownInvocation shown;
  shown.line = line;
  shown.type = text(record, "type");
  shown.status = text(record, "status");
  shown.started = text(record, "started");
  shown.request_id = text(record, "request_id");
  shown.headline = text(record, "headline");
  shown.invocation = number(record, "invocation").value_or(0);
  shown.duration_ns = duration_of(record);
  shown.response_ns = number(record, "response_ms", kNsAMs).value_or(0);
  shown.cold_start = record["cold_start"].kind() == Value::Kind::kTrue;
  for (const WallPart& part : kWallParts) {
    const std::uint64_t ns = number(record["wall"], part.key, kNsAMs).value_or(0);
    if (ns != 0) {
      shown.wall.emplace_back(part.key, ns);
    }
  }
  for (const Value finding : list(record, "findings")) {
    if (shown.findings.size() == kMostFindings) {
      break;
    }
    shown.findings.push_back({text(finding, "code"), text(finding, "severity"),
                              text(finding, "text"), text(finding, "advice")});
  }
  shown.waits = few_waits(record);
  shown.handler = handler_of(shown.waits);
  shown.blocked = blocked_of(record);
  shown.blocked.resize(std::min(shown.blocked.size(), kMostShownThreads));
  return shown;
}

template <class Queue, class Entry>
void keep_newest(Queue& queue, std::size_t most, const Entry& entry) {
  if (queue.size() == most) {
    queue.pop_front();
  }
  queue.push_back(entry);
}

template <class Entries>
bool is_slow_enough(const Entries& slowest, std::size_t most, std::uint64_t duration_ns) {
  return slowest.size() < most || duration_ns > slowest.back()->duration_ns;
}

// Slowest first; of equal ones the one that came first stays.
void keep_slowest(std::vector<Shown>& slowest, std::size_t most, const Shown& shown) {
  const auto at = std::find_if(slowest.begin(), slowest.end(), [&shown](const Shown& other) {
    return other->duration_ns < shown->duration_ns;
  });
  slowest.insert(at, shown);
  slowest.resize(std::min(slowest.size(), most));
}

}  // namespace

void Notable::add(const Value& record) {
  const bool init = is(record, "type", "init");
  if (!init && !is(record, "type", "invoke") && !is(record, "type", "run")) {
    return;
  }
  ++lines_;
  const std::uint64_t duration = duration_of(record);
  const bool bad = !is(record, "status", "ok") && !record["status"].raw().empty();
  const bool weighty = has_weighty_finding(record);
  const bool waits = !list(record, "timeline").empty() || !list(record, "blocked").empty();
  const bool start = init || record["cold_start"].kind() == Value::Kind::kTrue;
  worth_a_look_ += bad || weighty || waits ? 1 : 0;
  const bool slow = !start && is_slow_enough(slowest_, kSlowest, duration);
  const bool slow_with_waits =
      !start && waits && is_slow_enough(slowest_with_waits_, kSlowestWithWaits, duration);
  const bool slow_start = start && is_slow_enough(slowest_starts_, kStarts, duration);
  if (!bad && !weighty && !slow && !slow_with_waits && !slow_start) {
    return;
  }
  const auto copy = std::make_shared<ShownInvocation>(shown_of(record, lines_));
  copy->is_worth_a_look = bad || weighty || waits;
  const Shown shown = copy;
  if (bad) {
    keep_newest(bad_ends_, kBadEnds, shown);
  } else if (weighty) {
    keep_newest(with_findings_, kWithFindings, shown);
  }
  if (slow) {
    keep_slowest(slowest_, kSlowest, shown);
  }
  if (slow_with_waits) {
    keep_slowest(slowest_with_waits_, kSlowestWithWaits, shown);
  }
  if (slow_start) {
    keep_slowest(slowest_starts_, kStarts, shown);
  }
}

std::vector<const ShownInvocation*> Notable::shown(std::size_t most) const {
  std::set<std::uint64_t> lines;
  std::vector<const ShownInvocation*> bad;
  std::vector<const ShownInvocation*> others;
  for (auto end = bad_ends_.rbegin(); end != bad_ends_.rend(); ++end) {
    lines.insert((*end)->line);
    bad.push_back(end->get());
  }
  const auto take = [&lines, &others](const Shown& shown) {
    if (lines.insert(shown->line).second) {
      others.push_back(shown.get());
    }
  };
  // In the order in which they are worth their room.
  std::for_each(slowest_with_waits_.begin(), slowest_with_waits_.end(), take);
  std::for_each(with_findings_.rbegin(), with_findings_.rend(), take);
  std::for_each(slowest_.begin(), slowest_.end(), take);
  std::for_each(slowest_starts_.begin(), slowest_starts_.end(), take);
  bad.resize(std::min(bad.size(), most));
  others.resize(std::min(others.size(), most - bad.size()));
  std::stable_sort(others.begin(), others.end(),
                   [](const auto* a, const auto* b) { return a->duration_ns > b->duration_ns; });
  bad.insert(bad.end(), others.begin(), others.end());
  return bad;
}

}  // namespace lamprey::cli
