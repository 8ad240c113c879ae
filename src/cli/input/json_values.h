// Values out of records that anybody may have written: of the wrong kind is the same as absent.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace lamprey::cli {

// A member as a whole number that is not negative. `by` turns ms into ns.
std::optional<std::uint64_t> number(const nlohmann::json& object, const char* key,
                                    std::uint64_t by = 1);
// The same with a sign; within ±2^62.
std::optional<std::int64_t> signed_number(const nlohmann::json& object, const char* key);
std::string text(const nlohmann::json& object, const char* key);
// The member, or null.
const nlohmann::json& member(const nlohmann::json& object, const char* key);
// The member when it is a list, or an empty list.
const nlohmann::json& list(const nlohmann::json& object, const char* key);

}  // namespace lamprey::cli
