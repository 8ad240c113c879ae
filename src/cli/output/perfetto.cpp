// Chrome's trace JSON ("Trace Event Format"); see trace_files.h.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/input/json_values.h"
#include "cli/output/trace_files.h"

namespace lamprey::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxTracks = 1000;
constexpr const char* kImportTrack = "imports";

// Microseconds, as the format wants them; the digits behind the point are ns.
double us(std::uint64_t ns) { return static_cast<double>(ns) / 1000; }

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// A number as the record has it; null when it is none after all.
Json number_of(const std::string& digits) {
  Json number = Json::parse(digits, nullptr, false);
  return number.is_number() ? number : Json();
}

void put(Json& args, const char* key, const std::string& text) {
  if (!text.empty()) {
    args[key] = text;
  }
}

Json slice(const Span& span, std::uint64_t process, std::uint64_t track) {
  Json args = Json::object();
  put(args, "call", span.call);
  put(args, "target", span.target);
  put(args, "spent_on", span.spent_on);
  put(args, "thread", span.thread);
  put(args, "stack", span.stack);
  if (span.open) {
    args["open"] = true;
  }
  constexpr const char* kCategories[] = {"invocation", "init", "init", "wait"};
  const std::string category = kCategories[static_cast<std::size_t>(span.kind)];
  return {{"name", span.name},
          {"cat", span.spent_on.empty() ? category : category + "," + span.spent_on},
          {"ph", "X"},
          {"ts", us(span.begin_ns)},
          {"dur", us(span.end_ns - span.begin_ns)},
          {"pid", process},
          {"tid", track},
          {"args", std::move(args)}};
}

Json name_event(const char* what, std::uint64_t process, std::uint64_t track,
                const std::string& name) {
  return {
      {"name", what}, {"ph", "M"}, {"pid", process}, {"tid", track}, {"args", {{"name", name}}}};
}

}  // namespace

void PerfettoFile::put(const std::string& event) {
  write_(any_ ? ",\n" : "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
  any_ = true;
  write_(event);
}

// The first track on which nothing runs at that time: invocations of one environment never overlap.
std::uint64_t PerfettoFile::track(Function& function, std::uint64_t begin, std::uint64_t end) {
  std::size_t at = 0;
  while (at < function.busy_until.size() && function.busy_until[at] > begin && at < kMaxTracks) {
    ++at;
  }
  if (at == function.busy_until.size()) {
    function.busy_until.push_back(0);
    put(text_of(name_event("thread_name", function.number, at + 1,
                           "environment " + std::to_string(at + 1))));
    put(text_of({{"name", "thread_sort_index"},
                 {"ph", "M"},
                 {"pid", function.number},
                 {"tid", at + 1},
                 {"args", {{"sort_index", (at + 1) * kMaxTracks}}}}));
  }
  function.busy_until[at] = end;
  return at + 1;
}

// The waits of a thread beside the handler's have a track of their own, below their environment's.
std::uint64_t PerfettoFile::thread_track(Function& function, std::uint64_t environment,
                                         const std::string& thread) {
  const auto key = std::pair(environment, thread);
  if (const auto known = function.threads.find(key); known != function.threads.end()) {
    return known->second;
  }
  if (function.threads.size() == kMaxTracks) {
    return environment;
  }
  const std::uint64_t track = kMaxTracks + 1 + function.threads.size();
  function.threads.emplace(key, track);
  put(text_of(name_event("thread_name", function.number, track,
                         "environment " + std::to_string(environment) + ", thread " + thread)));
  put(text_of({{"name", "thread_sort_index"},
               {"ph", "M"},
               {"pid", function.number},
               {"tid", track},
               {"args", {{"sort_index", (environment * kMaxTracks) + function.threads.size()}}}}));
  return track;
}

void PerfettoFile::put_child(Function& function, const Trace& trace, Span child,
                             std::uint64_t environment) {
  const bool is_import = child.kind == Span::Kind::kPhase && !child.target.empty();
  const bool own_track = is_import || (child.kind == Span::Kind::kWait && !child.of_handler);
  // Slices of one track are nested: none may outlast the one that it stands in.
  if (!own_track && child.begin_ns < trace.span.end_ns) {
    child.end_ns = std::min(child.end_ns, trace.span.end_ns);
  }
  const std::uint64_t track =
      own_track ? thread_track(function, environment, is_import ? kImportTrack : child.thread)
                : environment;
  put(text_of(slice(child, function.number, track)));
}

void PerfettoFile::add(const Trace& trace) {
  Function& function = functions_[trace.function];
  if (function.number == 0) {
    function.number = functions_.size();
    put(text_of(name_event("process_name", function.number, 0, trace.function)));
  }
  std::uint64_t begin = trace.span.begin_ns;
  for (const Span& child : trace.children) {
    begin = std::min(begin, child.begin_ns);
  }
  const std::uint64_t number = track(function, begin, trace.span.end_ns);
  Json root = slice(trace.span, function.number, number);
  root["args"]["headline"] = trace.headline;
  root["args"]["request_id"] = trace.request_id;
  root["args"]["status"] = trace.error_type.empty() ? "ok" : trace.error_type;
  for (const Note& figure : trace.figures) {
    root["args"][figure.name] = number_of(figure.text);
  }
  put(text_of(root));
  for (const Span& child : trace.children) {
    put_child(function, trace, child, number);
  }
  for (const Value finding : trace.findings) {
    put(text_of(
        {{"name", text(finding, "code")},
         {"cat", "finding"},
         {"ph", "i"},
         {"s", "t"},
         {"ts", us(trace.span.end_ns)},
         {"pid", function.number},
         {"tid", number},
         {"args", {{"severity", text(finding, "severity")}, {"text", text(finding, "text")}}}}));
  }
  for (const Note& figure : trace.figures) {
    if (figure.name == "live_bytes" || figure.name == "peak_rss_bytes") {
      put(text_of({{"name", figure.name},
                   {"ph", "C"},
                   {"ts", us(trace.span.end_ns)},
                   {"pid", function.number},
                   {"args", {{"bytes", number_of(figure.text)}}}}));
    }
  }
}

void PerfettoFile::finish() {
  write_(any_ ? "\n]}\n" : "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[]}\n");
}

}  // namespace lamprey::cli
