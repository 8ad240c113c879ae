// Reading values; see the header.
#include "cli/input/json_values.h"

namespace lamprey::cli {

using Json = nlohmann::json;

std::optional<std::uint64_t> number(const Json& object, const char* key, std::uint64_t by) {
  const Json& value = member(object, key);
  if (!value.is_number()) {
    return std::nullopt;
  }
  const double product = value.get<double>() * static_cast<double>(by);
  return product >= 0 && product < 9e18
             ? std::optional<std::uint64_t>(static_cast<std::uint64_t>(product))
             : std::nullopt;
}

std::optional<std::int64_t> signed_number(const Json& object, const char* key) {
  const Json& value = member(object, key);
  constexpr double kMax = 4.6e18;
  if (!value.is_number() || value.get<double>() > kMax || value.get<double>() < -kMax) {
    return std::nullopt;
  }
  return value.is_number_float() ? static_cast<std::int64_t>(value.get<double>())
                                 : value.get<std::int64_t>();
}

std::string text(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

const Json& member(const Json& object, const char* key) {
  static const Json nothing;
  if (!object.is_object()) {
    return nothing;
  }
  const auto found = object.find(key);
  return found == object.end() ? nothing : *found;
}

const Json& list(const Json& object, const char* key) {
  static const Json none = Json::array();
  const Json& value = member(object, key);
  return value.is_array() ? value : none;
}

}  // namespace lamprey::cli
