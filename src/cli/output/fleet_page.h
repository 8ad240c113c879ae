// All functions of a set of records as one page: tables, findings, and how figures went over time.
#pragma once

#include <map>
#include <string>

#include "cli/analysis/function_sums.h"

namespace lamprey::cli {

// A page that needs nothing but itself. Its script sorts and filters; without it all stands there,
// too. `sizes`: the table of sizing.h, or empty.
std::string fleet_page(const std::map<std::string, FunctionSum>& functions,
                       const std::string& title, const std::string& sizes);

}  // namespace lamprey::cli
