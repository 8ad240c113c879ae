// The tables of `lamprey report`, also at the end of `lamprey local`: one set for each function.
#pragma once

#include <map>
#include <string>

#include "cli/analysis/function_sums.h"

namespace lamprey::cli {

// All functions at a glance, where there are several, and then each by itself, trouble first.
std::string functions_tables(const std::map<std::string, FunctionSum>& functions);

}  // namespace lamprey::cli
