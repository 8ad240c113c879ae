// A comparison as tables for people. Decides nothing.
#pragma once

#include <string>
#include <vector>

#include "cli/analysis/comparison.h"

namespace lamprey::cli {

std::string diff_tables(const Comparison& comparison);

// One line for each figure that is surely worse by more than `percent`, and for each warning or end
// that is surely more frequent.
std::vector<std::string> worse_lines(const Comparison& comparison, double percent);

}  // namespace lamprey::cli
