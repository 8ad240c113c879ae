// Parsing of Extensions API answers; see the header.
#include "lambda/event.h"

#include <nlohmann/json.hpp>

namespace lamprey::lambda {
namespace {

using Json = nlohmann::json;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) {
      return false;
    }
  }
  return true;
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

ShutdownReason parse_reason(std::string_view text) {
  if (same(text, "spindown") || same(text, "SandboxTerminated")) {
    return ShutdownReason::kSpindown;
  }
  return same(text, "timeout") ? ShutdownReason::kTimeout : ShutdownReason::kFailure;
}

std::optional<Event> parse_event(std::string_view body) {
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_object()) {
    return std::nullopt;
  }
  Event event;
  const std::string type = text_of(json, "eventType");
  if (same(type, "INVOKE")) {
    event.type = EventType::kInvoke;
    event.request_id = text_of(json, "requestId");
  } else if (same(type, "SHUTDOWN")) {
    event.type = EventType::kShutdown;
    event.reason_text = text_of(json, "shutdownReason");
    event.reason = parse_reason(event.reason_text);
  } else {
    return std::nullopt;
  }
  const auto deadline = json.find("deadlineMs");
  if (deadline != json.end() && deadline->is_number_unsigned()) {
    event.deadline_ms = deadline->get<std::uint64_t>();
  }
  return event;
}

Registration parse_registration(std::string_view body) {
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_object()) {
    return {};
  }
  return {text_of(json, "functionName"), text_of(json, "functionVersion"),
          text_of(json, "handler")};
}

}  // namespace lamprey::lambda
