// What is live at each site of the recording, by the samples: kept up to date at each birth and
// death of a sampled block or mapping, with what died in the invocation of its birth (churn) and
// what was live everywhere at the peak.
//
// Cost: three atomic adds; when the peak has risen by 1/16 since it was last copied, one pass over
// the sites in use (~1 ns each): at most 16 + log(highest / lowest) / log(17/16) times an
// invocation. No lock, no allocation, no system call; any thread, any signal handler.
#pragma once

#include <cstdint>

#include "recording/layout.h"

namespace lamprey::preload::memory::sites {

// `stack`: index in Stack[] + 1; 0: the site of samples whose stack found no room.
recording::Site& of(std::uint32_t stack);

// Which invocation (or init, or the time between two) it is now.
std::uint32_t round();

// `bytes` of a sample came to life there.
void add_live(std::uint32_t stack, std::uint64_t bytes);
// And ended; `born_in` is the round in which they came.
void remove_live(std::uint32_t stack, std::uint64_t bytes, std::uint32_t born_in);
// They did not end after all: takes one remove_live() back.
void restore_live(std::uint32_t stack, std::uint64_t bytes, std::uint32_t born_in);

}  // namespace lamprey::preload::memory::sites
