// Where the CPU time of one record went, as a table for people. Reads no file.
#pragma once

#include <string>

#include "cli/input/json_document.h"

namespace lamprey::cli {

// By the program's own functions, most first; empty where nothing was sampled.
std::string cpu_table(const Value& record);

}  // namespace lamprey::cli
