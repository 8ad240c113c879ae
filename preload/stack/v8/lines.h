// Lines of JavaScript: from a position in a script's source to its line.
//
// Cost: ~50 ns where V8 has made the table of a script's lines (an Error's stack makes it); else
// line ends are counted, 2 us at most from the nearest count that is remembered.
#pragma once

#include <cstdint>

#include "preload/stack/v8/layouts.h"
#include "preload/stack/v8/scripts.h"
#include "preload/stack/v8/strings.h"

namespace lamprey::preload::stack::v8 {

// The line, from 1, that has this UTF-16 unit of the source; 0: it is not known.
std::uint32_t line_of(const Layout& v8, const Script& script, std::int32_t position);

// How many lines end among the units [from, to), as V8 counts lines.
std::uint32_t line_ends_in(const Units& units, std::uint32_t from, std::uint32_t to);

}  // namespace lamprey::preload::stack::v8
