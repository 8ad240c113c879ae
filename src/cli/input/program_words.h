// The words of the program to run, exactly as they were typed. Nothing is run here.
#pragma once

#include <string>
#include <vector>

namespace lamprey::cli {

// What stands after the first "--" on this process's own command line; `otherwise` when there is no
// "--". CLI11 would split "[a,b]" into a list; a program's words must stay as they are.
std::vector<std::string> program_words(const std::vector<std::string>& otherwise);

}  // namespace lamprey::cli
