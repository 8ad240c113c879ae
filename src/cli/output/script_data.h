// JSON that may stand inside a page's <script> element, whatever texts it holds.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace lamprey::cli {

// "</script>" and "<!--" would end or change the element: no '<' is left.
inline std::string script_data(const nlohmann::ordered_json& data) {
  std::string safe;
  for (const char c : data.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace)) {
    if (c == '<') {
      safe += "\\u003c";
    } else {
      safe += c;
    }
  }
  return safe;
}

}  // namespace lamprey::cli
