// Values out of records that anybody may have written: of the wrong kind is the same as absent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cli/input/json_document.h"

namespace lamprey::cli {

// A member as a whole number that is not negative. `by` turns ms into ns.
std::optional<std::uint64_t> number(const Value& object, std::string_view key,
                                    std::uint64_t by = 1);
// The same with a sign; within ±2^62.
std::optional<std::int64_t> signed_number(const Value& object, std::string_view key);
// Any number; nothing when it is not finite.
std::optional<double> decimal(const Value& value);
std::string text(const Value& object, std::string_view key);
// Whether the member is this very text.
bool is(const Value& object, std::string_view key, std::string_view word);
// The member when it is a list, or nothing.
Value list(const Value& object, std::string_view key);

}  // namespace lamprey::cli
