// One stack out of the chain of Python's frames and the machine frames (reading/merging.h).
#pragma once

#include "preload/stack/python/python.h"
#include "preload/stack/python/runtime.h"

namespace lamprey::preload::stack::python {

// Appends to `words`. The chain is not empty.
void merge(const Runtime& runtime, const Chain& chain, const NativeFrames& native, Words& words);

}  // namespace lamprey::preload::stack::python
