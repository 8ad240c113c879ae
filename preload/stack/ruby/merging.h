// One stack out of the chain of Ruby's frames and the machine frames (reading/merging.h).
#pragma once

#include "preload/stack/ruby/ruby.h"
#include "preload/stack/ruby/runtime.h"

namespace lamprey::preload::stack::ruby {

// Appends to `words`. The chain is not empty.
void merge(const Runtime& runtime, const Chain& chain, const NativeFrames& native, Words& words);

}  // namespace lamprey::preload::stack::ruby
