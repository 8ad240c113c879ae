// What V8 knows of a function of JavaScript whichever closure of it runs (SharedFunctionInfo): its
// number in the recording, by the first sight its name, its file and where it begins.
//
// Cost: ~10 ns for one seen before, 1 to 5 us for a new one. No allocation, lock, libc.
#pragma once

#include <cstdint>

#include "preload/stack/v8/lines.h"

namespace lamprey::preload::stack::v8 {

// What the readers of one stack share.
struct Reading {
  const Layout& v8;
  std::uint64_t isolate;
  Script script = {};  // the one read last: neighbours mostly have the same
};

struct SharedFunction {
  Word word;
  bool builtin;  // V8's own: it has no script
  Script script;
  std::uint64_t identity;
};

// False: `word` is no such object.
bool read_shared(Reading& reading, Word word, SharedFunction& function);
// The same of the function that a JSFunction runs.
bool read_function(Reading& reading, Word word, SharedFunction& function);

// Its number (functions.h); 0: there is no room for more.
std::uint32_t number_of(const Reading& reading, const SharedFunction& function);

// A word of a stack that is no function of the program, but says something in its place.
std::uint64_t note_frame(const char* text);

// The path of a module's URL: "file:///a%20b" is "/a b". Returns its length; what is no such URL is
// left as it is.
std::uint32_t path_of_url(char* text, std::uint32_t size);

}  // namespace lamprey::preload::stack::v8
