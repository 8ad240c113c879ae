// One stack out of the chain of Python's frames and the machine frames. The evaluator's machine
// frames give way to the Python frames that they run; what else of its module stands between them
// is dropped; machine frames of other modules (a C extension that calls back) stay where they are,
// and so do the innermost ones: they say what is being done.
#pragma once

#include "preload/stack/python/python.h"
#include "preload/stack/python/runtime.h"

namespace lamprey::preload::stack::python {

// Appends to `words`. The chain is not empty.
void merge(const Runtime& runtime, const Chain& chain, const NativeFrames& native, Words& words);

}  // namespace lamprey::preload::stack::python
