// OTLP/JSON: ids in hexadecimal digits, 64-bit numbers as text, enums as numbers
// (opentelemetry-proto, "JSON Protobuf Encoding"). Names of attributes are those of the semantic
// conventions (FaaS, cloud, server) where one exists, else ours behind "lamprey."; see
// trace_files.h.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/input/json_values.h"
#include "cli/output/trace_files.h"
#include "version.h"

namespace lamprey::cli {
namespace {

using Json = nlohmann::ordered_json;

enum SpanKind : std::uint8_t { kInternal = 1, kServer = 2, kClient = 3 };
constexpr int kError = 2;  // STATUS_CODE_ERROR

void put_text(Json& attributes, const std::string& key, const std::string& value) {
  if (!value.empty()) {
    attributes.push_back({{"key", key}, {"value", {{"stringValue", value}}}});
  }
}

void put_number(Json& attributes, const std::string& key, const std::string& digits) {
  const bool whole = std::all_of(digits.begin(), digits.end(),
                                 [](char c) { return (c >= '0' && c <= '9') || c == '-'; });
  constexpr std::size_t kMaxDigits = 18;
  if (whole && digits.size() <= kMaxDigits) {
    attributes.push_back({{"key", key}, {"value", {{"intValue", digits}}}});
    return;
  }
  const Json number = Json::parse(digits, nullptr, false);
  if (number.is_number()) {
    attributes.push_back({{"key", key}, {"value", {{"doubleValue", number.get<double>()}}}});
  }
}

Json resource_of(const Trace& trace) {
  Json attributes = Json::array();
  put_text(attributes, "service.name", trace.function);
  put_text(attributes, "faas.name", trace.function);
  put_text(attributes, "faas.version", trace.version);
  put_text(attributes, "cloud.provider", "aws");
  put_text(attributes, "cloud.platform", "aws_lambda");
  if (trace.memory_bytes != 0) {
    put_number(attributes, "faas.max_memory", std::to_string(trace.memory_bytes));
  }
  return {{"attributes", std::move(attributes)}};
}

// "db.internal:5432" and "10.0.3.17:5432 (db.internal)" as address and port.
void put_server(Json& attributes, const std::string& target) {
  const std::string first = target.substr(0, target.find(' '));
  const std::size_t colon = first.rfind(':');
  const bool port = colon != std::string::npos && colon + 1 < first.size() && colon > 0 &&
                    first.size() - colon <= 6 &&
                    first.find_first_not_of("0123456789", colon + 1) == std::string::npos;
  if (!port) {
    return;
  }
  const std::size_t open = target.find(" (");
  const bool named = open != std::string::npos && target.ends_with(')');
  put_text(attributes, "server.address",
           named ? target.substr(open + 2, target.size() - open - 3) : first.substr(0, colon));
  put_number(attributes, "server.port", first.substr(colon + 1));
}

Json event(const char* name, std::uint64_t time_ns, Json attributes) {
  return {{"timeUnixNano", std::to_string(time_ns)},
          {"name", name},
          {"attributes", std::move(attributes)}};
}

Json events_of(const Trace& trace) {
  Json events = Json::array();
  for (const Value finding : trace.findings) {
    Json attributes = Json::array();
    for (const char* key : {"code", "severity", "text", "advice"}) {
      put_text(attributes, std::string("lamprey.finding.") + key, text(finding, key));
    }
    events.push_back(event("lamprey.finding", trace.span.end_ns, std::move(attributes)));
  }
  for (const Value host : trace.hosts) {
    Json attributes = Json::array();
    put_text(attributes, "lamprey.host", text(host, "host"));
    put_server(attributes, text(host, "host"));
    put_text(attributes, "network.peer.address", text(host, "peer"));
    for (const Value member : host) {
      if (member.is_number()) {
        put_number(attributes, "lamprey.host." + std::string(member.key()),
                   std::string(member.raw()));
      }
    }
    events.push_back(event("lamprey.host", trace.span.end_ns, std::move(attributes)));
  }
  return events;
}

Json span_json(const Trace& trace, const Span& span, const std::string& id,
               const std::string& parent) {
  Json json = {{"traceId", trace.trace_id}, {"spanId", id}};
  if (!parent.empty()) {
    json["parentSpanId"] = parent;
  }
  json["name"] = span.name;
  json["kind"] = kInternal;
  json["startTimeUnixNano"] = std::to_string(span.begin_ns);
  json["endTimeUnixNano"] = std::to_string(span.end_ns);
  return json;
}

Json root_json(const Trace& trace, const std::string& id) {
  Json json = span_json(trace, trace.span, id, trace.parent_id);
  Json attributes = Json::array();
  if (trace.span.kind == Span::Kind::kInvocation) {
    json["kind"] = kServer;
    put_text(attributes, "faas.invocation_id", trace.request_id);
    attributes.push_back({{"key", "faas.coldstart"}, {"value", {{"boolValue", trace.cold_start}}}});
  }
  put_text(attributes, "error.type", trace.error_type);
  put_text(attributes, "lamprey.headline", trace.headline);
  for (const Note& figure : trace.figures) {
    put_number(attributes, "lamprey." + figure.name, figure.text);
  }
  json["attributes"] = std::move(attributes);
  json["events"] = events_of(trace);
  if (!trace.error_type.empty()) {
    json["status"] = {{"code", kError}, {"message", trace.headline}};
  }
  return json;
}

Json child_json(const Trace& trace, const Span& span, const std::string& id,
                const std::string& parent) {
  Json json = span_json(trace, span, id, parent);
  Json attributes = Json::array();
  if (!span.thread.empty()) {
    put_text(attributes, "thread.name", span.thread);
  }
  for (const Note& note : span.notes) {
    put_text(attributes, note.name == "stack" ? "code.stacktrace" : "lamprey." + note.name,
             note.text);
    if (note.name == "target") {
      const std::size_t before = attributes.size();
      put_server(attributes, note.text);
      json["kind"] = attributes.size() > before ? kClient : kInternal;
    }
  }
  json["attributes"] = std::move(attributes);
  return json;
}

}  // namespace

void OtlpFile::add(const Trace& trace) {
  const std::string of = trace.trace_id + trace.request_id;
  const std::string root = span_id(of, 0);
  Json spans = Json::array({root_json(trace, root)});
  std::string init = root;
  for (std::size_t i = 0; i < trace.children.size(); ++i) {
    const Span& child = trace.children[i];
    const std::string id = span_id(of, i + 1);
    const bool phase = child.kind == Span::Kind::kPhase;
    spans.push_back(child_json(trace, child, id, phase ? init : root));
    init = child.kind == Span::Kind::kInit ? id : init;
  }
  const Json entry = {
      {"resource", resource_of(trace)},
      {"scopeSpans",
       {{{"scope", {{"name", "lamprey"}, {"version", kVersion}}}, {"spans", std::move(spans)}}}}};
  write_(any_ ? ",\n" : "{\"resourceSpans\":[\n");
  any_ = true;
  write_(entry.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void OtlpFile::finish() { write_(any_ ? "\n]}\n" : "{\"resourceSpans\":[]}\n"); }

}  // namespace lamprey::cli
