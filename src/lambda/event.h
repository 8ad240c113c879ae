// What the Extensions API says in answer to `event/next`, as values. No traffic lives here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lamprey::lambda {

enum class EventType : std::uint8_t { kInvoke, kShutdown };

// Case differs between Lambda, its emulator and the documents; words that nobody documented count
// as a failure.
enum class ShutdownReason : std::uint8_t { kSpindown, kTimeout, kFailure };

struct Event {
  EventType type = EventType::kInvoke;
  std::uint64_t deadline_ms = 0;  // UNIX time, ms; 0 when it was absent
  std::string request_id;         // INVOKE
  ShutdownReason reason = ShutdownReason::kSpindown;
  std::string reason_text;  // SHUTDOWN, as it came
};

// Nothing when the text is not an event.
std::optional<Event> parse_event(std::string_view body);
ShutdownReason parse_reason(std::string_view text);

// What the answer to `register` says; fields that are missing stay empty.
struct Registration {
  std::string function_name;
  std::string function_version;
  std::string handler;
};
Registration parse_registration(std::string_view body);

}  // namespace lamprey::lambda
