// Aligned tables for people, and the table of one report. No files are read or written here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report/model/report.h"

namespace lamprey::cli {

// Rows of equal length, the first is the heading; the first column to the left, the others to the
// right, but those from `words` on, which hold words, to the left. Every line ends with a newline.
// Control characters become '?': names come from logs.
std::string table(const std::vector<std::vector<std::string>>& rows, std::size_t words = SIZE_MAX);

// What `lamprey run` shows: memory, then calls by time.
std::string report_table(const report::Report& report);

}  // namespace lamprey::cli
