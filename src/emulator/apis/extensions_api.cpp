// The Extensions API, version 2020-01-01. Phases, processes and time limits live elsewhere.
#include "emulator/apis/extensions_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "emulator/base/api_error.h"
#include "emulator/base/identifiers.h"

namespace lamprey::emulator {
namespace {

namespace http = boost::beast::http;
using nlohmann::json;

constexpr std::string_view kPrefix = "/2020-01-01/extension/";

std::int64_t epoch_ms(WallTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

bool lists_feature(const std::string& header, std::string_view feature) {
  std::string_view rest = header;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    std::string_view word = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    while (word.starts_with(' ')) {
      word.remove_prefix(1);
    }
    while (word.ends_with(' ')) {
      word.remove_suffix(1);
    }
    if (word == feature) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::vector<std::string> Extension::events() const {
  std::vector<std::string> names;
  if (wants_invoke) {
    names.emplace_back("INVOKE");
  }
  if (wants_shutdown) {
    names.emplace_back("SHUTDOWN");
  }
  return names;
}

ExtensionsApi::ExtensionsApi(ExtensionEvents events) : events_(std::move(events)) {}

bool ExtensionsApi::owns(const std::string& path) {
  return std::string_view(path).starts_with(kPrefix);
}

void ExtensionsApi::reset(FunctionIdentity function, const std::vector<std::string>& external) {
  function_ = std::move(function);
  list_.clear();
  for (const std::string& name : external) {
    list_.push_back(std::make_unique<Extension>());
    list_.back()->name = name;
  }
  registration_open_ = true;
}

void ExtensionsApi::handle(const HttpRequest& request, Respond respond) {
  const std::string what = request.path.substr(kPrefix.size());
  const bool post = request.method == http::verb::post;
  if (post && what == "register") {
    registration(request, respond);
  } else if (request.method == http::verb::get && what == "event/next") {
    next(request, std::move(respond));
  } else if (post && (what == "init/error" || what == "exit/error")) {
    failure(request, respond, what == "init/error");
  } else {
    respond({404, "404 page not found\n", "text/plain", {}});
  }
}

Extension* ExtensionsApi::find(const std::string& name) {
  for (const auto& extension : list_) {
    if (extension->name == name) {
      return extension.get();
    }
  }
  return nullptr;
}

const Extension* ExtensionsApi::by_identifier(const std::string& identifier) const {
  for (const auto& extension : list_) {
    if (extension->registered() && extension->identifier == identifier) {
      return extension.get();
    }
  }
  return nullptr;
}

Extension* ExtensionsApi::identified(const HttpRequest& request, const Respond& respond) {
  const std::string identifier = request.header("Lambda-Extension-Identifier");
  if (identifier.empty()) {
    respond(api_error(403, "Extension.MissingExtensionIdentifier",
                      "Missing Lambda-Extension-Identifier header"));
    return nullptr;
  }
  if (identifier.size() != 36) {
    respond(api_error(403, "Extension.InvalidExtensionIdentifier",
                      "Invalid Lambda-Extension-Identifier"));
    return nullptr;
  }
  for (const auto& extension : list_) {
    if (extension->identifier == identifier) {
      return extension.get();
    }
  }
  respond(
      api_error(403, "Extension.UnknownExtensionIdentifier", "Unknown extension " + identifier));
  return nullptr;
}

bool ExtensionsApi::read_events(const HttpRequest& request, bool external, Extension& wanted,
                                const Respond& respond) const {
  const json body = json::parse(request.body.empty() ? "{}" : request.body, nullptr, false);
  const auto refuse_format = [&respond](const std::string& message) {
    respond(api_error(400, "InvalidRequestFormat", message));
    return false;
  };
  if (!body.is_object() || body.contains("configurationKeys")) {
    return refuse_format("The body must be a JSON object of events");
  }
  const json events = body.value("events", json::array());
  if (!events.is_array()) {
    return refuse_format("events must be an array");
  }
  for (const json& event : events) {
    const std::string name = event.is_string() ? event.get<std::string>() : json_text(event);
    if (name == "INVOKE") {
      wanted.wants_invoke = true;
    } else if (name == "SHUTDOWN" && !external) {
      respond(api_error(403, "ShutdownEventNotSupportedForInternalExtension",
                        "Internal extensions cannot subscribe to SHUTDOWN"));
      return false;
    } else if (name == "SHUTDOWN") {
      wanted.wants_shutdown = true;
    } else {
      respond(api_error(403, "Extension.InvalidEventType", "Invalid event type: " + name));
      return false;
    }
  }
  return true;
}

void ExtensionsApi::registration(const HttpRequest& request, const Respond& respond) {
  const std::string name = request.header("Lambda-Extension-Name");
  if (name.empty()) {
    respond(api_error(403, "Extension.InvalidExtensionName", "Empty extension name"));
    return;
  }
  Extension* known = find(name);
  Extension wanted;
  if (!read_events(request, known != nullptr && known->external, wanted, respond)) {
    return;
  }
  if (!registration_open_) {
    respond(
        api_error(403, "Extension.RegistrationClosed", "Extension registration closed already"));
    return;
  }
  if (known != nullptr && known->registered()) {
    respond(api_error(403, "Extension.InvalidExtensionState",
                      "Extension " + name + " is registered already"));
    return;
  }
  if (known == nullptr) {
    if (list_.size() >= kMaxExtensions) {
      respond(api_error(403, "Extension.TooManyExtensions",
                        fmt::format("Extension limit ({}) reached", kMaxExtensions)));
      return;
    }
    list_.push_back(std::make_unique<Extension>());
    known = list_.back().get();
    known->name = name;
    known->external = false;
  }
  known->identifier = random_uuid();
  known->wants_invoke = wanted.wants_invoke;
  known->wants_shutdown = wanted.wants_shutdown;
  known->state = Extension::State::kRegistered;
  json body = {{"functionName", function_.name},
               {"functionVersion", function_.version},
               {"handler", function_.handler}};
  if (lists_feature(request.header("Lambda-Extension-Accept-Feature"), "accountId")) {
    body["accountId"] = function_.account_id;
  }
  respond({200,
           json_text(body),
           "application/json",
           {{"Lambda-Extension-Identifier", known->identifier}}});
  events_.registered(*known);
}

void ExtensionsApi::next(const HttpRequest& request, Respond respond) {
  Extension* extension = identified(request, respond);
  if (extension == nullptr) {
    return;
  }
  if (extension->state == Extension::State::kFailed) {
    respond(api_error(403, "Extension.InvalidExtensionState",
                      "The extension has reported an error and must exit"));
    return;
  }
  if (extension->has_queued) {
    extension->has_queued = false;
    extension->state = Extension::State::kRunning;
    respond(std::move(extension->queued));
    return;
  }
  extension->waiting = std::move(respond);
  extension->state = Extension::State::kWaiting;
  events_.asked_next(*extension);
}

void ExtensionsApi::failure(const HttpRequest& request, const Respond& respond, bool during_init) {
  Extension* extension = identified(request, respond);
  if (extension == nullptr) {
    return;
  }
  const std::string type = request.header("Lambda-Extension-Function-Error-Type");
  if (type.empty()) {
    respond(api_error(403, "Extension.MissingHeader",
                      "Lambda-Extension-Function-Error-Type not found"));
    return;
  }
  if (during_init && extension->state != Extension::State::kRegistered) {
    respond(api_error(403, "Extension.InvalidExtensionState",
                      "init/error is for the time before the first event/next"));
    return;
  }
  extension->state = Extension::State::kFailed;
  extension->error_type = type;
  respond({202, "{\"status\":\"OK\"}\n", "application/json", {}});
  events_.failed(*extension, during_init);
}

bool ExtensionsApi::all_external_registered() const {
  return std::all_of(list_.begin(), list_.end(), [](const auto& extension) {
    return !extension->external || extension->registered();
  });
}

bool ExtensionsApi::all_waiting() const {
  return std::all_of(list_.begin(), list_.end(), [](const auto& extension) {
    return extension->state == Extension::State::kWaiting;
  });
}

bool ExtensionsApi::invoke_is_over() const {
  return std::all_of(list_.begin(), list_.end(), [](const auto& extension) {
    return !extension->wants_invoke || extension->state == Extension::State::kWaiting;
  });
}

bool ExtensionsApi::any_registered() const {
  return std::any_of(list_.begin(), list_.end(),
                     [](const auto& extension) { return extension->registered(); });
}

bool ExtensionsApi::any_external_registered() const {
  return std::any_of(list_.begin(), list_.end(), [](const auto& extension) {
    return extension->registered() && extension->external;
  });
}

void ExtensionsApi::send(Extension& extension, std::string body) {
  HttpResponse response{200,
                        std::move(body),
                        "application/json",
                        {{"Lambda-Extension-Event-Identifier", random_uuid()}}};
  if (!extension.waiting) {
    extension.queued = std::move(response);
    extension.has_queued = true;
    return;
  }
  const Respond respond = std::move(extension.waiting);
  extension.waiting = nullptr;
  extension.state = Extension::State::kRunning;
  respond(std::move(response));
}

void ExtensionsApi::send_invoke(const Invocation& invocation, WallTime deadline) {
  const json body = {{"eventType", "INVOKE"},
                     {"deadlineMs", epoch_ms(deadline)},
                     {"requestId", invocation.request_id},
                     {"invokedFunctionArn", function_.arn},
                     {"tracing", {{"type", "X-Amzn-Trace-Id"}, {"value", invocation.trace_id}}}};
  for (const auto& extension : list_) {
    if (extension->wants_invoke) {
      send(*extension, json_text(body));
    }
  }
}

bool ExtensionsApi::send_shutdown(const std::string& name, const std::string& reason,
                                  WallTime deadline) {
  Extension* extension = find(name);
  if (extension == nullptr || !extension->registered() || !extension->wants_shutdown ||
      extension->state == Extension::State::kFailed) {
    return false;
  }
  const json body = {
      {"eventType", "SHUTDOWN"}, {"shutdownReason", reason}, {"deadlineMs", epoch_ms(deadline)}};
  send(*extension, json_text(body));
  return true;
}

}  // namespace lamprey::emulator
