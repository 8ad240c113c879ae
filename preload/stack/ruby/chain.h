// Reads a thread's control frames. Whatever the pointers say: it ends, and reads nothing of which
// the kernel has not said that it can be read.
#pragma once

#include <cstdint>

#include "preload/stack/ruby/ruby.h"
#include "preload/stack/ruby/runtime.h"

namespace lamprey::preload::stack::ruby {

enum class Walked : std::uint8_t {
  kWhole,
  kCut,     // there were more frames than a stack keeps, or code is being moved
  kBroken,  // one was no frame: what stands before is there
};

// `context`: the calling thread's. kShown: without the frames that Ruby's own stacks leave out.
enum class Wanted : std::uint8_t { kShown, kAll };
Walked walk(const Runtime& runtime, std::uintptr_t context, Wanted wanted, Chain& chain);

}  // namespace lamprey::preload::stack::ruby
