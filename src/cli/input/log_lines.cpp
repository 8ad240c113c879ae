// Records out of log text; see the header.
#include "cli/input/log_lines.h"

#include <string_view>

namespace lamprey::cli {
namespace {

using Json = nlohmann::json;
using Take = std::function<void(const Json&)>;

// From the first brace of a CSV field on: its quotes are doubled, and one alone ends it.
std::string unquoted(std::string_view field) {
  std::string text;
  for (std::size_t at = 0; at < field.size(); ++at) {
    if (field[at] == '"' && (++at == field.size() || field[at] != '"')) {
      break;
    }
    text += field[at];
  }
  return text;
}

constexpr int kMaxLevels = 6;  // of an export: events → event → message

class Finder {
 public:
  Finder(LineCounts& counts, const Take& take) : counts_(counts), take_(take) {}

  // A message or line: a record stands at its end, whatever time stamps come before.
  void text(std::string_view line) {
    const std::size_t start = line.find("{\"");
    if (start != std::string_view::npos && line.substr(start).starts_with("{\"\"") &&
        !line.substr(start).starts_with("{\"\":")) {
      text(unquoted(line.substr(start)));
      return;
    }
    if (start != std::string_view::npos && line.find("lamprey") != std::string_view::npos) {
      const Json json = Json::parse(line.substr(start), nullptr, false);
      if (json.is_object()) {
        if (record(json)) {
          return;
        }
        if (message(json)) {
          return;
        }
      }
    }
    ++counts_.skipped;
  }

  bool record(const Json& json) {
    const auto schema = json.find("lamprey");
    if (schema == json.end() || !schema->is_string()) {
      return false;
    }
    if (*schema != "1") {
      ++counts_.newer;
      return true;
    }
    ++counts_.records;
    take_(json);
    return true;
  }

  // An export: an object with "message", or lists of such, however they are wrapped.
  void walk(const Json& json, int level) {
    if (level > kMaxLevels) {
      return;
    }
    if (json.is_array()) {
      for (const Json& entry : json) {
        walk(entry, level + 1);
      }
      return;
    }
    if (!json.is_object() || record(json) || message(json)) {
      return;
    }
    for (const auto& [key, value] : json.items()) {
      if (value.is_array()) {
        walk(value, level + 1);
      }
    }
  }

 private:
  bool message(const Json& json) {
    const auto field = json.find("field");  // Logs Insights: {"field": "@message", "value": ...}
    const bool insights = field != json.end() && *field == "@message";
    for (const char* key : {"message", "@message", insights ? "value" : "message"}) {
      const auto found = json.find(key);
      if (found != json.end() && found->is_string()) {
        text(found->get_ref<const std::string&>());
        return true;
      }
      if (found != json.end() && found->is_object()) {
        if (!record(*found)) {
          ++counts_.skipped;
        }
        return true;
      }
    }
    return false;
  }

  LineCounts& counts_;
  const Take& take_;
};

}  // namespace

void find_records(const std::string& text, LineCounts& counts, const Take& take) {
  Finder finder(counts, take);
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string::npos) {
    return;
  }
  if (text[start] == '{' || text[start] == '[') {
    const Json whole = Json::parse(text, nullptr, false);
    if (!whole.is_discarded()) {
      finder.walk(whole, 0);
      return;
    }
  }
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) {
      finder.text(line);
    }
  }
}

}  // namespace lamprey::cli
