// Reading records of type summary, which stand for many invocations each. Adds up nothing.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "cli/input/json_document.h"

namespace lamprey::cli {

bool is_summary(const Value& record);

// How many invocations a record stands for: of a summary as many as it says, else one. Anybody may
// have written it: there is a bound.
std::uint64_t invocations_in(const Value& record);

// A metric of a summary: each value as often as it was there, times `by`. A summary does not know
// in which order they came, so they are mixed: sorted ones would look like a trend.
std::vector<std::uint64_t> values_in(const Value& record, std::string_view metric,
                                     std::uint64_t by = 1);

}  // namespace lamprey::cli
