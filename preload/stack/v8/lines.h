// Lines of JavaScript: from a position in a script's source to its line.
//
// Cost: ~50 ns where V8 has made the table of a script's lines (an Error's stack makes it); else
// line ends are counted, 2 us at most from the nearest count that is remembered.
#pragma once

#include <cstdint>

#include "preload/stack/v8/heap.h"
#include "preload/stack/v8/layouts.h"
#include "preload/stack/v8/strings.h"

namespace lamprey::preload::stack::v8 {

struct Script {
  Word word = 0;  // the Script; 0: none
  Word name, source, line_ends;
  std::int32_t line_offset;  // of its first line
  std::uint64_t identity;    // tells it from others, of other isolates too
};

// False, and nothing is changed: `word` is no Script.
bool read_script(const Layout& v8, std::uint64_t isolate, Word word, Script& script);

// The line, from 1, that has this UTF-16 unit of the source; 0: it is not known.
std::uint32_t line_of(const Layout& v8, const Script& script, std::int32_t position);

// How many lines end among the units [from, to), as V8 counts lines.
std::uint32_t line_ends_in(const Units& units, std::uint32_t from, std::uint32_t to);

}  // namespace lamprey::preload::stack::v8
