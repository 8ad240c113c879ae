// Chrome's trace JSON ("Trace Event Format"); see trace_files.h.
#include <nlohmann/json.hpp>

#include "cli/input/json_values.h"
#include "cli/output/trace_files.h"

namespace lamprey::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxTracks = 1000;

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

Json slice(const Span& span, std::uint64_t process, std::uint64_t track) {
  Json args = Json::object();
  for (const Note& note : span.notes) {
    args[note.name] = note.text;
  }
  constexpr const char* kCategories[] = {"invocation", "init", "init", "wait"};
  return {{"name", span.name},
          {"cat", kCategories[static_cast<std::size_t>(span.kind)]},
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
  }
  function.busy_until[at] = end;
  return at + 1;
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
    put(text_of(slice(child, function.number, number)));
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
