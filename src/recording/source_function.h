// A function as a recording names it, for whoever reads one.
#pragma once

#include <cstdint>
#include <string>

#include "recording/functions.h"

namespace lamprey::recording {

// A function of the program's own, as its language names it. One line each, in UTF-8, without ';'.
struct SourceFunction {
  Language language{};
  std::string name;  // "Cache.put"; empty: it has none
  std::string file;  // "/var/task/app.py"; empty: none
  std::uint32_t first_line = 0;
};

}  // namespace lamprey::recording
