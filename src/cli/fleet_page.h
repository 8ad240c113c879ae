// All functions of a set of records as one page: tables, findings, and how figures went over time.
#pragma once

#include <map>
#include <string>

#include "cli/function_sums.h"

namespace lamprey::cli {

// A page that needs nothing but itself, no script either.
std::string fleet_page(const std::map<std::string, FunctionSum>& functions,
                       const std::string& title);

}  // namespace lamprey::cli
