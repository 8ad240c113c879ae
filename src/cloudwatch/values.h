// Small steps from values to JSON that every section of a line takes: units, absent figures, long
// texts. No section and no figure of its own lives here.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

namespace lamprey::cloudwatch {

using Json = nlohmann::ordered_json;

inline constexpr std::size_t kMostText = 512;

// Milliseconds with µs resolution. A double holds every such number up to 285 years exactly enough
// to print it back.
inline double ms(std::uint64_t ns) {
  const std::uint64_t us = (ns + 500) / 1000;
  return static_cast<double>(us) / 1000.0;
}
inline double us(std::uint64_t ns) { return static_cast<double>(ns) / 1000.0; }

inline std::string cut(const std::string& text, std::size_t most = kMostText) {
  return text.size() <= most ? text : text.substr(0, most) + "...";
}

template <typename Value>
void put(Json& object, const char* key, const std::optional<Value>& value) {
  if (value) {
    object[key] = *value;
  }
}

inline void put_ms(Json& object, const char* key, const std::optional<std::uint64_t>& ns) {
  if (ns) {
    object[key] = ms(*ns);
  }
}

inline void put_text(Json& object, const char* key, const std::string& text) {
  if (!text.empty()) {
    object[key] = cut(text);
  }
}

inline void put_object(Json& object, const char* key, Json&& value) {
  if (!value.empty()) {
    object[key] = std::move(value);
  }
}

}  // namespace lamprey::cloudwatch
