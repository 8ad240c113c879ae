// LAMPREY_DIMENSIONS: additional dimensions of the metrics. AWS bills every set of values as a
// metric of its own, so values are fixed words, never figures of an invocation.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lamprey::companion {

// "stage=prod,team=orders" → pairs of name and value, in this order. Accepted are at most 5 pairs.
// A name has up to 64 letters, digits and _, begins with a letter and is no key of the record. A
// value has 1 to 128 printable ASCII characters. Others are left out, with a line in `complaints`.
std::vector<std::pair<std::string, std::string>> read_dimensions(
    std::string_view text, std::vector<std::string>& complaints);

}  // namespace lamprey::companion
