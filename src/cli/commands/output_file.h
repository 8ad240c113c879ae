// A file that a command makes as a whole. What is in it is not known here.
#pragma once

#include <string>

namespace lamprey::cli {

// False when it cannot be written; says so, with the name of the option. "-" is standard output.
bool write_all(const char* option, const std::string& path, const std::string& content);

}  // namespace lamprey::cli
