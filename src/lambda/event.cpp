// Parsing of Extensions API answers; see the header.
#include "lambda/event.h"

#include "lambda/json_members.h"

namespace lamprey::lambda {
namespace {

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

}  // namespace

ShutdownReason parse_reason(std::string_view text) {
  if (same(text, "spindown") || same(text, "SandboxTerminated")) {
    return ShutdownReason::kSpindown;
  }
  return same(text, "timeout") ? ShutdownReason::kTimeout : ShutdownReason::kFailure;
}

std::optional<Event> parse_event(std::string_view body) {
  const auto json =
      JsonMembers::read(body, {"eventType", "requestId", "shutdownReason", "deadlineMs"});
  if (!json) {
    return std::nullopt;
  }
  Event event;
  const std::string& type = json->text("eventType");
  if (same(type, "INVOKE")) {
    event.type = EventType::kInvoke;
    event.request_id = json->text("requestId");
  } else if (same(type, "SHUTDOWN")) {
    event.type = EventType::kShutdown;
    event.reason_text = json->text("shutdownReason");
    event.reason = parse_reason(event.reason_text);
  } else {
    return std::nullopt;
  }
  event.deadline_ms = json->whole_number("deadlineMs").value_or(0);
  return event;
}

Registration parse_registration(std::string_view body) {
  const auto json = JsonMembers::read(body, {"functionName", "functionVersion", "handler"});
  if (!json) {
    return {};
  }
  return {json->text("functionName"), json->text("functionVersion"), json->text("handler")};
}

}  // namespace lamprey::lambda
