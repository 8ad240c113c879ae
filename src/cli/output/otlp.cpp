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

struct HostPort {
  std::string host;
  std::string port;
};

// "db.internal:5432" in its parts; nothing where there is no port.
HostPort host_port(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const bool port = colon != std::string::npos && colon + 1 < text.size() && colon > 0 &&
                    text.size() - colon <= 6 &&
                    text.find_first_not_of("0123456789", colon + 1) == std::string::npos;
  return port ? HostPort{text.substr(0, colon), text.substr(colon + 1)} : HostPort{};
}

// "db.internal:5432" and "10.0.3.17:5432 (db.internal)" as address and port, the latter as a peer
// too. False where it is neither.
bool put_server(Json& attributes, const std::string& target) {
  const HostPort first = host_port(target.substr(0, target.find(' ')));
  if (first.host.empty()) {
    return false;
  }
  const std::size_t open = target.find(" (");
  const bool named = open != std::string::npos && target.ends_with(')');
  put_text(attributes, "server.address",
           named ? target.substr(open + 2, target.size() - open - 3) : first.host);
  put_number(attributes, "server.port", first.port);
  if (named) {
    put_text(attributes, "network.peer.address", first.host);
    put_number(attributes, "network.peer.port", first.port);
  }
  return true;
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

// Where in the program a wait began; the convention's `code.*`.
void put_place(Json& attributes, const std::string& stack) {
  const SourcePlace place = source_place(innermost(stack));
  put_text(attributes, "code.function.name", place.function);
  put_text(attributes, "code.file.path", place.file);
  if (!place.file.empty() && place.line != 0) {
    put_number(attributes, "code.line.number", std::to_string(place.line));
  }
  put_text(attributes, "code.stacktrace", stack);
}

// What the wait was for, by its kind. True where it is the client's side of something remote.
bool put_target(Json& attributes, const Span& span) {
  if (span.spent_on == "dns") {
    const HostPort asked = host_port(span.target);
    put_text(attributes, "dns.question.name", asked.host.empty() ? span.target : asked.host);
    return true;
  }
  if (span.spent_on == "file") {
    put_text(attributes, "file.path", span.target);
    return false;
  }
  const bool may_be_host = span.spent_on.empty() || span.spent_on == "network";
  const bool is_host = may_be_host && put_server(attributes, span.target);
  return is_host || span.spent_on == "network";
}

Json child_json(const Trace& trace, const Span& span, const std::string& id,
                const std::string& parent) {
  Json json = span_json(trace, span, id, parent);
  Json attributes = Json::array();
  put_text(attributes, "thread.name", span.thread);
  if (span.kind == Span::Kind::kPhase && !span.target.empty()) {
    put_text(attributes, "lamprey.target", span.target);
    put_place(attributes, span.stack);
  }
  if (span.kind == Span::Kind::kWait) {
    put_text(attributes, "lamprey.call", span.call);
    put_text(attributes, "lamprey.spent_on", span.spent_on);
    put_text(attributes, "lamprey.target", span.target);
    json["kind"] = put_target(attributes, span) ? kClient : kInternal;
    put_place(attributes, span.stack);
    if (span.open) {
      attributes.push_back({{"key", "lamprey.open"}, {"value", {{"boolValue", true}}}});
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
    spans.push_back(child_json(trace, child, id, child.in_init ? init : root));
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
