// LAMPREY_DIMENSIONS: further dimensions of the metrics. Every set of values is a metric that is
// billed by itself, so values are fixed words, never figures of an invocation.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lamprey::companion {

// "stage=prod,team=orders" → pairs of name and value, in this order. What is not accepted is left
// out and gets one line in `complaints`: at most 5; names of up to 64 letters, digits and _ that
// begin with a letter and are no key of the record; values of 1 to 128 printable ASCII characters.
std::vector<std::pair<std::string, std::string>> read_dimensions(
    std::string_view text, std::vector<std::string>& complaints);

}  // namespace lamprey::companion
