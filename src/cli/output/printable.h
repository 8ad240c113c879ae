// Text of others made harmless on a terminal. Makes no layout.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lamprey::cli {

// Every character that steers a terminal becomes '?': C0 and C1 controls (U+009B begins what ESC [
// begins), DEL, the marks that turn the direction of writing (Trojan Source, CVE-2021-42574), line
// and paragraph separators, and bytes that are no UTF-8. Tabs stay with `keep_tabs`.
std::string printable(std::string_view text, bool keep_tabs = false);

// The same for a whole line of somebody's log, which may be coloured: sequences that only set
// colours (ESC [ ... m) stay, tabs too.
std::string printable_log(std::string_view line);

// Columns on a screen, for the text that occurs here: code points.
std::size_t width_of(std::string_view text);

// At most so many columns; what is cut ends with "...".
std::string shortened(std::string_view text, std::size_t columns);

}  // namespace lamprey::cli
