// Requests to the emulator's APIs without sockets, for its tests. No assertions live here.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "emulator/base/http_server.h"

namespace lamprey::emulator::testing {

using Headers = std::map<std::string, std::string>;

inline HttpRequest request(boost::beast::http::verb method, const std::string& path,
                           const std::string& body = "", const Headers& headers = {}) {
  HttpRequest result;
  result.method = method;
  result.path = path;
  result.body = body;
  for (const auto& [name, value] : headers) {
    result.headers.set(name, value);
  }
  return result;
}

inline std::string error_type(const std::optional<HttpResponse>& response) {
  return nlohmann::json::parse(response->body).value("errorType", "");
}

inline Respond into(std::optional<HttpResponse>& place) {
  return [&place](HttpResponse response) { place = std::move(response); };
}

}  // namespace lamprey::emulator::testing
