// The machine frames by which a program or a thread begins, before any function of its own:
// _start, libc's, main. Where a language's frames are known they say nothing.
#pragma once

#include <cstdint>

#include "preload/stack/reading/dynamic_symbols.h"
#include "preload/stack/reading/frames.h"

namespace lamprey::preload::stack {
inline namespace reading {
namespace entry_frames {

// Is to be told of each module, the program first.
void module_came(const LoadedObject& object);

// How many of the outermost frames they are. 0 where the walk did not reach them.
std::uint32_t count_in(const NativeFrames& native);

}  // namespace entry_frames
}  // namespace reading
}  // namespace lamprey::preload::stack
