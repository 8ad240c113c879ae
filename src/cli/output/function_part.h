// The section of one function in the fleet's page: HTML, and places for what scripts draw.
#pragma once

#include <cstddef>
#include <string>

#include "cli/analysis/function_detail.h"
#include "cli/analysis/function_sums.h"
#include "cli/output/fleet_data.h"

namespace lamprey::cli {

// `detail` may be absent; what scripts draw of it goes into `data`. `number` is the function's in
// the page, from 1; `room` is how many invocations may be shown, and becomes less by those that
// are.
std::string function_part(std::size_t number, const std::string& name, const FunctionSum& sum,
                          const FunctionDetail* detail, FleetData& data, std::size_t& room);

// What the time of the invocations went to, as a bar with its legend.
std::string wall_bar_html(const FunctionSum& sum);

}  // namespace lamprey::cli
