// Reading waits; see the header.
#include "cli/analysis/waits.h"

#include <algorithm>

#include "cli/input/json_values.h"

namespace lamprey::cli {
namespace {

constexpr std::uint64_t kNsAMs = 1'000'000;
constexpr std::uint64_t kLongest = 1'000'000'000'000'000;  // eleven days: no invocation is longer
// A thread that is woken needs some time until it is seen to go on.
constexpr std::uint64_t kWakeUp = kNsAMs;

// Such a wait ends when another thread, or a process, does something.
bool is_for_others(const Wait& wait) {
  return wait.spent_on == "lock" || wait.spent_on == "child" || wait.spent_on == "wait";
}

// A thread in such a wait has nothing to do; nobody waits for that.
bool is_idle(const Wait& wait) { return wait.spent_on == "lock" || wait.spent_on == "wait"; }

bool overlap(const Wait& a, const Wait& b) { return a.at_ns < b.end_ns() && b.at_ns < a.end_ns(); }

// The wait of another thread that most likely made the handler wait so long; -1 where none did.
std::ptrdiff_t cause_of(const Wait& waiting, const std::vector<Wait>& waits,
                        const std::string& handler) {
  std::ptrdiff_t last = -1;
  for (std::size_t i = 0; i < waits.size(); ++i) {
    const Wait& other = waits[i];
    if (other.thread == handler || other.is_import() || is_idle(other) ||
        !overlap(waiting, other)) {
      continue;
    }
    const bool in_time =
        other.end_ns() <= waiting.end_ns() + kWakeUp || (other.open && waiting.open);
    if (in_time && (last < 0 || other.end_ns() > waits[static_cast<std::size_t>(last)].end_ns())) {
      last = static_cast<std::ptrdiff_t>(i);
    }
  }
  return last;
}

// In people's words where the line knows more than the call: a poll that a connect ended.
std::string call_of(const Value& entry) {
  const std::string phase = text(entry, "phase");
  return phase == "tls" ? "TLS handshake" : phase == "connect" ? phase : text(entry, "call");
}

}  // namespace

std::vector<Wait> waits_of(const Value& record) {
  std::vector<Wait> waits;
  for (const Value entry : list(record, "timeline")) {
    const auto at = number(entry, "at_ms", kNsAMs);
    const auto length = number(entry, "for_ms", kNsAMs);
    if (!at || !length || waits.size() == kMostWaits) {
      continue;
    }
    Wait wait;
    wait.at_ns = std::min(*at, kLongest);
    wait.for_ns = std::min(*length, kLongest);
    wait.call = call_of(entry);
    wait.spent_on = text(entry, "phase") == kImports ? kImports : text(entry, "spent_on");
    wait.target = text(entry, "target");
    wait.thread = text(entry, "thread");
    wait.stack = text(entry, "stack");
    wait.open = entry["open"].kind() == Value::Kind::kTrue;
    waits.push_back(std::move(wait));
  }
  std::stable_sort(waits.begin(), waits.end(),
                   [](const Wait& a, const Wait& b) { return a.at_ns < b.at_ns; });
  return waits;
}

std::string handler_of(const std::vector<Wait>& waits) {
  bool one_thread = true;
  for (const Wait& wait : waits) {
    if (wait.thread == "main") {
      return wait.thread;
    }
    one_thread = one_thread && wait.thread == waits.front().thread;
  }
  return one_thread && !waits.empty() ? waits.front().thread : std::string();
}

void mark_path(std::vector<Wait>& waits) {
  const std::string handler = handler_of(waits);
  if (handler.empty()) {
    return;
  }
  for (Wait& wait : waits) {
    if (wait.thread != handler || wait.is_import()) {
      continue;
    }
    wait.path = OnPath::kYes;
    const std::ptrdiff_t cause = is_for_others(wait) ? cause_of(wait, waits, handler) : -1;
    if (cause < 0) {
      continue;
    }
    // All that this thread waited for meanwhile, up to what ended last.
    const std::string thread = waits[static_cast<std::size_t>(cause)].thread;
    for (Wait& other : waits) {
      if (other.thread == thread && overlap(wait, other) && !is_idle(other) && !other.is_import() &&
          other.end_ns() <= waits[static_cast<std::size_t>(cause)].end_ns()) {
        other.path = OnPath::kProbably;
      }
    }
  }
}

std::vector<Blocked> blocked_of(const Value& record) {
  std::vector<Blocked> threads;
  for (const Value entry : list(record, "blocked")) {
    if (!entry.is_object() || threads.size() == kMostWaits) {
      continue;
    }
    threads.push_back({std::min(number(entry, "for_ms", kNsAMs).value_or(0), kLongest),
                       text(entry, "call"), text(entry, "target"), text(entry, "thread"),
                       text(entry, "stack")});
  }
  return threads;
}

std::string_view innermost(std::string_view stack) { return stack.substr(0, stack.find("; ")); }

SourcePlace source_place(std::string_view frame) {
  constexpr std::size_t kMostDigits = 9;
  const std::size_t path = frame.find(" (/");  // a path may have " (" in it as well
  const std::size_t open = path != std::string_view::npos ? path : frame.rfind(" (");
  if (open == std::string_view::npos || !frame.ends_with(')')) {
    return {std::string(frame), {}, 0};
  }
  SourcePlace place{std::string(frame.substr(0, open)), {}, 0};
  const std::string_view inside = frame.substr(open + 2, frame.size() - open - 3);
  const std::size_t colon = inside.rfind(':');
  if (colon == std::string_view::npos || colon == 0) {
    return place;  // a module and an offset: no source is known
  }
  const std::string_view digits = inside.substr(colon + 1);
  if (digits.empty() || digits.size() > kMostDigits ||
      digits.find_first_not_of("0123456789") != std::string_view::npos) {
    return place;
  }
  place.file = inside.substr(0, colon);
  for (const char c : digits) {
    place.line = (place.line * 10) + static_cast<std::uint64_t>(c - '0');
  }
  return place;
}

}  // namespace lamprey::cli
