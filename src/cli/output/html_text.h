// Texts and tables in a page's HTML. Everything that came from a record is escaped here, and what
// would steer a reader's eyes (controls, marks of direction) becomes '?'. No text is endless.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "cli/analysis/fleet_overview.h"
#include "cli/analysis/series.h"

namespace lamprey::cli {

std::string escaped(std::string_view text);

// A table that the page's script lets people sort, its first row the headings; columns from `words`
// on hold words. On a narrow screen it scrolls by itself. Empty of no rows.
std::string html_table(const Rows& rows, std::size_t words = SIZE_MAX);

// A line over time from 0 to the greatest value. Empty of fewer than two.
std::string sparkline(const Series& values, const char* what);

}  // namespace lamprey::cli
