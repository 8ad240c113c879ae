// Follows the chain of a thread's frames. Whatever the pointers say: it ends, and reads nothing of
// which the kernel has not said that it can be read.
#pragma once

#include <cstdint>

#include "preload/stack/python/python.h"
#include "preload/stack/python/runtime.h"

namespace lamprey::preload::stack::python {

enum class Walked : std::uint8_t {
  kWhole,
  kCut,     // there were more frames than a stack keeps
  kBroken,  // a link led to no frame: what stands before is there
};

// `state`: a PyThreadState, of which `state_thread` and what lies before can be read.
Walked walk(const Runtime& runtime, std::uintptr_t state, Chain& chain);

}  // namespace lamprey::preload::stack::python
