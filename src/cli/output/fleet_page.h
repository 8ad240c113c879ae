// All functions of a set of records as one page: an overview, a section for each function, and the
// invocations worth a look one by one.
#pragma once

#include <map>
#include <string>

#include "cli/analysis/function_detail.h"
#include "cli/analysis/function_sums.h"

namespace lamprey::cli {

using FunctionDetails = std::map<std::string, FunctionDetail>;

// A page that needs nothing but itself. Its scripts sort, filter and draw; without them the tables
// stand there, too. `sizes`: the table of sizing.h, or empty. Sums are of all records; the numbers
// of functions and of invocations that have a part of their own are bounded, and the page says how
// many it left out.
std::string fleet_page(const std::map<std::string, FunctionSum>& functions,
                       const std::string& title, const std::string& sizes,
                       const FunctionDetails& details = {});

}  // namespace lamprey::cli
