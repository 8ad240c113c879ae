// The words of the program to run, exactly as they were typed. Nothing is run here.
#pragma once

#include <string>
#include <vector>

namespace lamprey::cli {

// What stands after the first "--" on this process's own command line; `otherwise` when there is no
// "--". CLI11 takes "[a,b]" apart into a list, which a program's words must be spared.
std::vector<std::string> program_words(const std::vector<std::string>& otherwise);

}  // namespace lamprey::cli
