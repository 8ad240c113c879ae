// The JSON form in which Lambda's APIs say that something is wrong. Nothing else lives here.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "emulator/base/http_server.h"

namespace lamprey::emulator {

// JSON text; bytes that are no UTF-8 are replaced instead of thrown at.
inline std::string json_text(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

inline std::string error_body(const std::string& type, const std::string& message) {
  return json_text({{"errorMessage", message}, {"errorType", type}});
}

inline HttpResponse api_error(unsigned status, const std::string& type,
                              const std::string& message) {
  return {status, error_body(type, message), "application/json", {}};
}

}  // namespace lamprey::emulator
