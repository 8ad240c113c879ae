// In which invocation a thread began, as far as is known: Header::started, its lower 32 bits, when
// the thread took its slot (at its first counted call, which is nearly always an allocation at its
// start). 0: before the first. It stands in ThreadSlot::reserved.
#pragma once

#include "recording/counting.h"
#include "recording/layout.h"

namespace lamprey::recording {

inline std::uint32_t born_in(const ThreadSlot& slot) { return load(slot.reserved); }
inline void set_born(ThreadSlot& slot, std::uint64_t started) {
  store(slot.reserved, static_cast<std::uint32_t>(started));
}

}  // namespace lamprey::recording
