// Writing a whole text, for callers that may wait until it is taken.
#pragma once

#include <string_view>

namespace lamprey::descriptors {

// Writes all of it, as to a descriptor that blocks: one that does not block and is full is waited
// for, without using the CPU. False when it refuses (nobody reads any more, the disk is full), with
// the reason in errno.
bool write_whole(int descriptor, std::string_view text);

}  // namespace lamprey::descriptors
