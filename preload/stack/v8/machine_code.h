// The code object that an address of generated code lies in. Not by way of the function that runs:
// its code may have been replaced since, or be entered half way through a loop (OSR).
//
// Cost: ~5 ns for an address seen before, else a search downwards through the code's own pages,
// some 100 ns, 10 us where there is none to find. Every answer is checked anew: code moves and
// dies.
#pragma once

#include <cstdint>

#include "preload/stack/v8/heap.h"
#include "preload/stack/v8/position_tables.h"
#include "preload/stack/v8/shared_functions.h"

namespace lamprey::preload::stack::v8 {

struct Code {
  Object object;         // with all fields that layouts.h names
  std::uintptr_t start;  // of its instructions
  std::uint32_t size;
  std::uint32_t kind;
};

// False: none is known there, as in V8's builtins, also where V8 has copied them.
bool code_at(const Reading& reading, std::uintptr_t pc, Code& code);

// The elements of an array of bytes, all of them readable. False: it is none.
bool bytes_of(const Layout& v8, Word array, Bytes& bytes);

}  // namespace lamprey::preload::stack::v8
