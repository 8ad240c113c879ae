// The Telemetry API, version 2022-07-01. What an event says is decided elsewhere.
#include "emulator/apis/telemetry_api.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

#include "emulator/base/api_error.h"
#include "emulator/base/time_text.h"

namespace lamprey::emulator {
namespace {

using nlohmann::json;

constexpr const char* kPath = "/2022-07-01/telemetry";
constexpr std::uint16_t kReservedPort = 9001;
constexpr std::size_t kLongestHistory = 10000;  // events

// Each check returns what is wrong, or nothing.
std::string check_schema(const json& body) {
  const json version = body.value("schemaVersion", json());
  if (version != "2022-07-01" && version != "2022-12-13" && version != "2025-01-29") {
    return "schemaVersion must be 2022-07-01, 2022-12-13 or 2025-01-29";
  }
  return {};
}

std::string check_types(const json& body, TelemetrySettings& settings) {
  const json types = body.value("types", json());
  if (!types.is_array() || types.empty()) {
    return "types must be a non-empty array of platform, function, extension";
  }
  for (const json& type : types) {
    if (type != "platform" && type != "function" && type != "extension") {
      return "types must be a non-empty array of platform, function, extension";
    }
    settings.types.insert(type.get<std::string>());
  }
  return {};
}

std::string check_number(const json& buffering, const char* name, std::int64_t lowest,
                         std::int64_t highest, std::int64_t& value) {
  const auto found = buffering.find(name);
  if (found == buffering.end()) {
    return {};
  }
  if (!found->is_number_integer() || found->get<std::int64_t>() < lowest ||
      found->get<std::int64_t>() > highest) {
    return fmt::format("buffering.{} must be between {} and {}", name, lowest, highest);
  }
  value = found->get<std::int64_t>();
  return {};
}

std::string check_buffering(const json& body, TelemetrySettings& settings) {
  const json buffering = body.value("buffering", json::object());
  if (!buffering.is_object()) {
    return "buffering must be an object";
  }
  std::int64_t items = 10000;
  std::int64_t bytes = 262144;
  std::int64_t timeout = 1000;
  std::string complaint = check_number(buffering, "maxItems", 1000, 10000, items);
  if (complaint.empty()) {
    complaint = check_number(buffering, "maxBytes", 262144, 1048576, bytes);
  }
  if (complaint.empty()) {
    complaint = check_number(buffering, "timeoutMs", 25, 30000, timeout);
  }
  settings.max_items = static_cast<std::size_t>(items);
  settings.max_bytes = static_cast<std::size_t>(bytes);
  settings.timeout = std::chrono::milliseconds(timeout);
  return complaint;
}

bool read_port(std::string_view text, std::uint16_t& port) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, port);
  return result.ec == std::errc{} && result.ptr == end && port != 0 && port != kReservedPort;
}

std::string check_uri(const std::string& uri, TelemetrySettings& settings) {
  constexpr const char* kWrong =
      "destination.URI must be http://sandbox.localdomain:PORT[/path], the port not 9001";
  std::string_view rest = uri;
  if (!rest.starts_with("http://")) {
    return kWrong;
  }
  rest.remove_prefix(7);
  const auto slash = rest.find('/');
  const std::string_view authority = rest.substr(0, slash);
  const auto colon = authority.find(':');
  const std::string_view host = authority.substr(0, colon);
  settings.path = slash == std::string_view::npos ? "/" : std::string(rest.substr(slash));
  if (settings.path.find_first_of(" \r\n") != std::string::npos) {
    return kWrong;
  }
  settings.host = std::string(host);
  settings.port = 80;
  const bool known = host == "sandbox.localdomain" || host == "sandbox";
  if (!known ||
      (colon != std::string_view::npos && !read_port(authority.substr(colon + 1), settings.port))) {
    return kWrong;
  }
  return {};
}

std::string check_destination(const json& body, TelemetrySettings& settings) {
  const json destination = body.value("destination", json());
  if (!destination.is_object()) {
    return "destination must be an object";
  }
  const json protocol = destination.value("protocol", json());
  if (protocol == "HTTP") {
    const json uri = destination.value("URI", json());
    return check_uri(uri.is_string() ? uri.get<std::string>() : std::string(), settings);
  }
  const json port = destination.value("port", json());
  if (protocol != "TCP" || !port.is_number_integer() || !read_port(port.dump(), settings.port)) {
    return "destination must be {protocol: HTTP, URI} or {protocol: TCP, port}";
  }
  settings.http = false;
  return {};
}

std::string check_body(const std::string& text, TelemetrySettings& settings) {
  const json body = json::parse(text, nullptr, false);
  if (!body.is_object()) {
    return "the body must be a JSON object";
  }
  std::string complaint = check_schema(body);
  if (complaint.empty()) {
    complaint = check_types(body, settings);
  }
  if (complaint.empty()) {
    complaint = check_buffering(body, settings);
  }
  return complaint.empty() ? check_destination(body, settings) : complaint;
}

}  // namespace

TelemetryApi::TelemetryApi(boost::asio::io_context& io, Subscribed subscribed)
    : io_(io), subscribed_(std::move(subscribed)) {}

bool TelemetryApi::owns(const std::string& path) { return path == kPath; }

void TelemetryApi::reset() {
  for (const auto& subscription : subscriptions_) {
    subscription->end();
  }
  subscriptions_.clear();
  history_.clear();
  open_ = true;
}

void TelemetryApi::close_subscriptions() {
  open_ = false;
  history_.clear();
}

void TelemetryApi::handle(const HttpRequest& request, const ExtensionsApi& extensions,
                          const Respond& respond) {
  if (request.method != boost::beast::http::verb::put) {
    respond(api_error(405, "MethodNotAllowed", "Only PUT is possible here"));
    return;
  }
  const Extension* extension =
      extensions.by_identifier(request.header("Lambda-Extension-Identifier"));
  if (extension == nullptr) {
    respond(api_error(403, "Extension.UnknownExtensionIdentifier", "Unknown extension"));
    return;
  }
  if (!open_) {
    respond(api_error(403, "Telemetry.SubscriptionClosed",
                      "Telemetry API subscription is closed already"));
    return;
  }
  TelemetrySettings settings;
  settings.extension = extension->name;
  const std::string complaint = check_body(request.body, settings);
  if (!complaint.empty()) {
    respond(api_error(400, "ValidationError", complaint));
    return;
  }
  respond({200, "OK", "text/plain", {}});
  subscribe(std::move(settings));
}

void TelemetryApi::subscribe(TelemetrySettings settings) {
  // A second subscription of the same extension replaces its first.
  std::erase_if(subscriptions_, [&settings](const auto& subscription) {
    const bool same = subscription->settings().extension == settings.extension;
    if (same) {
      subscription->end();
    }
    return same;
  });
  auto dropped = [this](std::size_t records, std::size_t bytes) {
    publish("platform", "platform.logsDropped",
            {{"reason",
              "Consumer seems to have fallen behind as it has not acknowledged "
              "receipt of logs."},
             {"droppedRecords", records},
             {"droppedBytes", bytes}});
  };
  auto subscription = std::make_shared<TelemetrySubscription>(io_, settings, std::move(dropped));
  for (const auto& [category, event] : history_) {
    if (settings.types.contains(category)) {
      subscription->add(event);
    }
  }
  subscriptions_.push_back(std::move(subscription));
  subscribed_(settings);
}

void TelemetryApi::publish(const std::string& category, const std::string& type,
                           const json& record) {
  if (!open_ && subscriptions_.empty()) {
    return;
  }
  std::string event = json_text(
      {{"time", iso_time(std::chrono::system_clock::now())}, {"type", type}, {"record", record}});
  for (const auto& subscription : subscriptions_) {
    if (subscription->settings().types.contains(category)) {
      subscription->add(event);
    }
  }
  if (open_ && history_.size() < kLongestHistory) {
    history_.emplace_back(category, std::move(event));
  }
}

void TelemetryApi::pause() {
  for (const auto& subscription : subscriptions_) {
    subscription->pause();
  }
}

void TelemetryApi::resume() {
  for (const auto& subscription : subscriptions_) {
    subscription->resume();
  }
}

void TelemetryApi::flush() {
  for (const auto& subscription : subscriptions_) {
    subscription->flush();
  }
}

}  // namespace lamprey::emulator
