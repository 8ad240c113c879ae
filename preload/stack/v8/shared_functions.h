// What V8 knows of a function of JavaScript whichever closure of it runs (SharedFunctionInfo): its
// number in the recording, by the first sight its name, its file and where it begins.
//
// Cost: ~10 ns for one seen before, 1 to 5 us for a new one. No allocation, lock, libc.
#pragma once

#include <cstdint>

#include "preload/stack/v8/layouts.h"
#include "preload/stack/v8/scripts.h"

namespace lamprey::preload::stack::v8 {

namespace seen_frames {
struct Seen;
}

// What the readers of one stack share.
struct Reading {
  static constexpr std::uint32_t kScripts = 4;

  Reading(const Layout& layout, std::uint64_t own, seen_frames::Seen* places)
      : v8(layout), isolate(own), seen(places) {}

  const Layout& v8;
  std::uint64_t isolate;
  seen_frames::Seen* seen;
  KnownMap functions, shared, bytecodes;
  Script scripts[kScripts];  // those read last: neighbours mostly have the same
  std::uint32_t next = 0;
};

struct SharedFunction {
  Word word = 0;
  const Script* script = nullptr;  // until four others were read; nullptr: it is V8's own
  std::uint64_t identity = 0;
  std::uint32_t literal = 0;  // its number in the script
};

// The script that a SharedFunctionInfo has; nullptr: it has none, it is V8's own.
const Script* script_of(Reading& reading, Word word);

// False: `word` is no such object.
bool read_shared(Reading& reading, Word word, SharedFunction& function);
// The same of the function that a JSFunction runs.
bool read_function(Reading& reading, Word word, SharedFunction& function);

// Its number (functions.h); 0: there is no room for more.
std::uint32_t number_of(const Layout& v8, const SharedFunction& function);

// A word of a stack that is no function of the program, but says something in its place.
std::uint64_t note_frame(const char* text);

}  // namespace lamprey::preload::stack::v8
