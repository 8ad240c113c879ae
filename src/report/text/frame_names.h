// A frame in words, and whose code it is: what a stack keeps when it has to be cut, and where a
// finding points to.
#pragma once

#include <cstdint>
#include <string>

#include "report/model/report.h"

namespace lamprey::report {

// Whose code a frame is; the first are kept first.
enum class Origin : std::uint8_t {
  kOwn,         // the program's own
  kDependency,  // of a package that it uses
  kExtension,   // machine code of neither the runtime nor libc
  kClient,      // the runtime's client: what calls the handler
  kRuntime,     // the language's own library, and its interpreter
  kHidden,      // what the runtime puts between functions; never shown beside anything else
};

Origin origin_of(const Frame& frame);

bool has_functions(const Stack& stack);

// Whether any frame is the program's: one of its functions, or in a program of machine code any
// that is neither the runtime's nor libc's.
bool is_of_program(const Stack& stack);

// "Cache.put (/var/task/app.py:12)", "async handler (/var/task/index.js:3)"; only of frames with a
// function.
std::string function_text(const Frame& frame);

}  // namespace lamprey::report
