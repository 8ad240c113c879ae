// The commands of `lamprey`, one function each: it adds its options to the command line, and its
// work runs when CLI11 has parsed them. A command reports through `exit_status` (0 good, 1
// something in the data is wrong, 2 wrong use; `run` gives the program's own) and prints every
// complaint as one line on stderr: what, which value, what is accepted. No work is done here.
#pragma once

#include <CLI/CLI.hpp>

namespace lamprey::cli {

void add_run(CLI::App& app, int& exit_status);
void add_local(CLI::App& app, int& exit_status);
void add_report(CLI::App& app, int& exit_status);
void add_show(CLI::App& app, int& exit_status);
void add_diff(CLI::App& app, int& exit_status);
void add_decode(CLI::App& app, int& exit_status);

}  // namespace lamprey::cli
