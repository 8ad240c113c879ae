// Counts a sample of CPU time for its stack (recording/cpu_section.h says what an entry is).
//
// Cost: ~100 ns and ~2 ns a frame where the stack is known. Memory: fixed. What finds no room as a
// whole stack is counted for its innermost function alone; what finds no room even so, as unplaced.
// No lock, libc, system call; any thread, any signal handler.
#pragma once

#include <cstdint>

#include "preload/stack/stacks.h"

namespace lamprey::preload::cpu::sites {

// `intervals`: how much the sample stands for.
void add(const stack::Words& words, std::uint32_t intervals);

// That function of libc is one in which threads wait without sleeping: its samples are marked. At
// attach; nullptr, and more than there is room for, are left out.
void mark_awake(const void* function);

// In a forked child that gets a recording of its own.
void forget_all();

}  // namespace lamprey::preload::cpu::sites
