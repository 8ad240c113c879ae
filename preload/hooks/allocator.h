// Whose malloc it is, and which of its blocks and sizes are not seen. Asked once, at attach.
#pragma once

#include <cstdint>

namespace lamprey::preload::hooks {

// Bits of recording::Header::flags. Allocates and gives back a few blocks. Before early allocations
// are adopted.
std::uint32_t judge_allocator();

}  // namespace lamprey::preload::hooks
