// The proof that Ruby's structures are read as they are: what a thread runs at this moment, as it
// is read, against what Ruby says of it.
#pragma once

#include <cstdint>

#include "preload/stack/ruby/ruby.h"
#include "preload/stack/ruby/runtime.h"

namespace lamprey::preload::stack::ruby {

enum class Proof : std::uint8_t {
  kNotYet,  // too few frames to tell, or Ruby must not be asked now
  kSame,
  kOther,
};

// `chain`: just read of the calling thread, whose context is known.
Proof compare(const Runtime& runtime, const Chain& chain);

}  // namespace lamprey::preload::stack::ruby
