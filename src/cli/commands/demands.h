// --fail-on, as `lamprey local` and `lamprey report` have it: its words, and what it says at the
// end.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/analysis/budgets.h"

namespace lamprey::cli {

void add_fail_on(CLI::App& command, std::vector<std::string>& words);

// False when a word is wrong; says so.
bool take_demands(const std::vector<std::string>& words, Budgets& budgets);

// One line on stderr for each that is broken; true when none is.
bool complain_of(const Budgets& budgets);

}  // namespace lamprey::cli
