// Spans out of records; see the header.
#include "cli/analysis/spans.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <iterator>
#include <string_view>

#include "cli/input/json_values.h"

namespace lamprey::cli {
namespace {

constexpr std::uint64_t kNsAMs = 1'000'000;
constexpr std::uint64_t kLongest = 1'000'000'000'000'000;  // eleven days: no invocation is longer
constexpr std::size_t kMaxChildren = 1000;

constexpr const char* kFigures[] = {"duration_ms",     "response_ms", "cpu_ms",   "network_ms",
                                    "allocated_bytes", "live_bytes",  "syscalls", "peak_rss_bytes"};

bool is_hex(std::string_view text, std::size_t size) {
  return text.size() == size && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
         });
}

std::uint64_t mixed(const std::string& text, std::uint64_t number) {
  std::uint64_t hash = 0xCBF29CE484222325U ^ number;  // FNV-1a, and SplitMix64's end
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  }
  hash = (hash ^ (hash >> 30U)) * 0xBF58476D1CE4E5B9U;
  hash = (hash ^ (hash >> 27U)) * 0x94D049BB133111EBU;
  hash ^= hash >> 31U;
  return hash == 0 ? 1 : hash;
}

// "Root=1-5759e988-bd86...;Parent=53995c3f42cd8ad8;Sampled=1", as X-Ray writes it.
void read_trace_header(const std::string& header, Trace& trace) {
  std::string_view rest = header;
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    if (part.starts_with("Root=1-") && part.size() == 40 && part[15] == '-' &&
        is_hex(part.substr(7, 8), 8) && is_hex(part.substr(16), 24)) {
      trace.trace_id = std::string(part.substr(7, 8)) + std::string(part.substr(16));
    } else if (part.starts_with("Parent=") && is_hex(part.substr(7), 16)) {
      trace.parent_id = part.substr(7);
    }
  }
}

std::uint64_t ns_of(const Value& object, const char* key) {
  return std::min(number(object, key, kNsAMs).value_or(0), kLongest);
}

// A wait as a span that has no place in time yet.
Span span_of(const std::string& call, const std::string& target, const std::string& thread,
             const std::string& stack) {
  Span span;
  span.kind = Span::Kind::kWait;
  span.name = call + (target.empty() ? "" : " " + target);
  span.thread = thread;
  span.call = call;
  span.target = target;
  span.stack = stack;
  return span;
}

// The waits whose beginning the record knows.
std::vector<Wait> add_timeline(Trace& trace, const Value& record) {
  std::vector<Wait> waits = waits_of(record);
  const std::string handler = handler_of(waits);
  for (const Wait& wait : waits) {
    if (trace.children.size() > kMaxChildren) {
      break;
    }
    Span span = span_of(wait.call, wait.target, wait.thread, wait.stack);
    span.spent_on = wait.spent_on;
    span.open = wait.open;
    span.of_handler = wait.thread.empty() || wait.thread == handler;
    span.kind = wait.is_import() ? Span::Kind::kPhase : span.kind;
    span.in_init = trace.span.kind == Span::Kind::kInit;
    span.begin_ns = trace.span.begin_ns + wait.at_ns;
    span.end_ns = span.begin_ns + wait.for_ns;
    trace.children.push_back(std::move(span));
  }
  return waits;
}

// Whether a wait that had not ended is what the timeline has already. Threads may have other names
// there, so the same call of the same age counts.
bool is_told(const Blocked& thread, const std::vector<Wait>& waits) {
  return std::any_of(waits.begin(), waits.end(), [&thread](const Wait& wait) {
    const std::uint64_t longer = std::max(wait.for_ns, thread.for_ns);
    return wait.open && wait.call == thread.call &&
           longer - std::min(wait.for_ns, thread.for_ns) <= 5 * kNsAMs;
  });
}

// What each thread was in when it ended badly lasted until the end.
void add_blocked(Trace& trace, const Value& record, const std::vector<Wait>& waits) {
  const std::vector<Blocked> threads = blocked_of(record);
  const std::string handler = handler_of(waits);
  for (const Blocked& thread : threads) {
    if (thread.for_ns == 0 || trace.children.size() > kMaxChildren || is_told(thread, waits)) {
      continue;
    }
    Span span = span_of(thread.call, thread.target, thread.thread, thread.stack);
    span.open = true;
    span.of_handler = threads.size() == 1 || thread.thread == handler;
    span.end_ns = trace.span.end_ns;
    span.begin_ns =
        std::max(trace.span.begin_ns, span.end_ns - std::min(thread.for_ns, span.end_ns));
    trace.children.push_back(std::move(span));
  }
}

Trace trace_of(const Value& record) {
  Trace trace;
  trace.function = text(record, "function_name");
  trace.function = trace.function.empty() ? "(no name)" : trace.function;
  trace.version = text(record, "function_version");
  trace.request_id = text(record, "request_id");
  trace.headline = text(record, "headline");
  trace.cold_start = record["cold_start"].kind() == Value::Kind::kTrue;
  trace.memory_bytes = number(record["memory"], "limit_bytes").value_or(0);
  if (!is(record, "status", "ok")) {
    trace.error_type = text(record, "error_type");
    trace.error_type = trace.error_type.empty() ? text(record, "status") : trace.error_type;
    trace.error_type = trace.error_type.empty() ? "unknown" : trace.error_type;
  }
  trace.span.begin_ns = started_ns(record);
  read_trace_header(text(record, "trace_id"), trace);
  if (trace.trace_id.empty()) {
    const std::string seed = trace.function + trace.request_id + text(record, "started");
    trace.trace_id = fmt::format("{:016x}{:016x}", mixed(seed, 1), mixed(seed, 2));
  }
  for (const char* key : kFigures) {
    if (const Value figure = record[key]; figure.is_number()) {
      trace.figures.push_back({key, std::string(figure.raw())});
    }
  }
  for (const Value finding : list(record, "findings")) {
    trace.findings.push_back(finding);
  }
  for (const Value host : list(record, "network")) {
    trace.hosts.push_back(host);
  }
  return trace;
}

}  // namespace

std::string span_id(const std::string& of, std::uint64_t number) {
  return fmt::format("{:016x}", mixed(of, number));
}

std::uint64_t started_ns(const Value& record) {
  std::tm utc{};
  const std::string started = text(record, "started");
  const char* behind = strptime(started.c_str(), "%Y-%m-%dT%H:%M:%S", &utc);
  if (behind == nullptr) {
    return 0;
  }
  const std::time_t seconds = timegm(&utc);
  constexpr std::time_t kLast = 9'000'000'000;  // in 2255: as ns it still fits
  if (seconds <= 0 || seconds > kLast) {
    return 0;
  }
  std::uint64_t ns = 0;
  if (*behind == '.') {
    std::uint64_t digit = 100'000'000;
    for (++behind; *behind >= '0' && *behind <= '9' && digit > 0; ++behind, digit /= 10) {
      ns += static_cast<std::uint64_t>(*behind - '0') * digit;
    }
  }
  return (static_cast<std::uint64_t>(seconds) * 1'000'000'000U) + ns;
}

void Tracing::add_init(const Value& record) {
  Trace trace = trace_of(record);
  const Value init = record["init"];
  trace.span.kind = Span::Kind::kInit;
  trace.span.name = "init";
  trace.span.end_ns = trace.span.begin_ns + ns_of(init, "total_ms");
  std::uint64_t at = trace.span.begin_ns;
  for (const auto& [key, name] :
       {std::pair("runtime_start_ms", "runtime start"), std::pair("import_ms", "import")}) {
    const std::uint64_t length = ns_of(init, key);
    if (length != 0 && at + length <= trace.span.end_ns + kNsAMs) {
      Span phase;
      phase.kind = Span::Kind::kPhase;
      phase.name = name;
      phase.in_init = true;
      phase.begin_ns = at;
      phase.end_ns = at = at + length;
      trace.children.push_back(std::move(phase));
    }
  }
  add_timeline(trace, record);
  trace.findings.clear();  // they are gone when it is given
  trace.hosts.clear();
  const auto waiting = inits_.find(trace.function);
  if (waiting != inits_.end()) {
    give_(waiting->second);
    waiting->second = std::move(trace);
  } else {
    std::string function = trace.function;
    inits_.emplace(std::move(function), std::move(trace));
  }
}

void Tracing::add_invocation(const Value& record) {
  Trace trace = trace_of(record);
  trace.span.name = trace.function;
  trace.span.end_ns = trace.span.begin_ns + ns_of(record, "duration_ms");
  const auto init = trace.cold_start ? inits_.find(trace.function) : inits_.end();
  if (init != inits_.end() && init->second.span.begin_ns <= trace.span.begin_ns) {
    Trace& before = init->second;
    trace.children.push_back(std::move(before.span));
    std::move(before.children.begin(), before.children.end(), std::back_inserter(trace.children));
    inits_.erase(init);
  }
  add_blocked(trace, record, add_timeline(trace, record));
  give_(trace);
}

void Tracing::add(const Value& record) {
  if (started_ns(record) == 0) {
    return;  // nothing to place it by
  }
  if (is(record, "type", "init")) {
    add_init(record);
  } else if (is(record, "type", "invoke") || is(record, "type", "run")) {
    add_invocation(record);
  }
}

void Tracing::finish() {
  for (const auto& [function, init] : inits_) {
    give_(init);
  }
  inits_.clear();
}

}  // namespace lamprey::cli
