// A script of JavaScript: its name (a path, a URL, "node:fs"), its source, and what tells it from
// all others.
//
// Cost: ~5 ns for one seen before, ~0.5 us for a new one. Any thread.
#pragma once

#include <cstdint>

#include "preload/stack/v8/heap.h"
#include "preload/stack/v8/layouts.h"

namespace lamprey::preload::stack::v8 {

struct Script {
  Word word = 0;  // the Script; 0: none
  Word name, source, line_ends;
  std::int32_t line_offset;  // of its first line
  // Equal in isolates that loaded the same file as the same script, as workers of one kind do: so
  // they share its functions in the recording. What has no name (eval) is each isolate's own.
  std::uint64_t identity;
};

// False, and nothing is changed: `word` is no Script.
bool read_script(const Layout& v8, std::uint64_t isolate, Word word, Script& script);

// As a file: "/a b.mjs" of "file:///a%20b.mjs", "(eval)" of what has no name. Of one that is too
// long the end. Returns its length.
inline constexpr std::uint32_t kMaxFileBytes = 512;
std::uint32_t file_of(const Script& script, char (&to)[kMaxFileBytes]);

// The path of a module's URL in place; what is no such URL is left as it is.
std::uint32_t path_of_url(char* text, std::uint32_t size);

}  // namespace lamprey::preload::stack::v8
