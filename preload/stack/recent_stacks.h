// The stacks that each thread took lately, and how to tell without walking that it stands there
// again: an event loop waits, a worker takes work, a query is sent from the same place a thousand
// times. A walk is a function of the stack pointer and of the words that it read (return addresses,
// and frame pointers where a frame is found by one); if these are the same, so is the stack. Two
// loads and a compare a word, ~1 ns a frame instead of ~11, and no look into the table of stacks.
//
// Each thread slot has a few places of its own, so nothing here is shared, locked or allocated. A
// signal handler that interrupts a hook finds the place marked as being filled and walks. (If it
// then leaves by longjmp, the place stays marked and is lost: a thread that does so walks.)
#pragma once

#include "preload/process/thread.h"
#include "preload/stack/unwind.h"

namespace lamprey::preload::stack::recent_stacks {

struct Recent {
  std::uint64_t epoch;  // of what addresses mean; 0: nothing is here
  std::uint64_t began;  // the epoch in which its walk began
  std::uint32_t owner;  // ThreadSlot::generation
  std::uint32_t stack;  // as capture gives it
  bool filling;
  std::uint64_t chain;  // of its language's frames (languages::chain_of)
  unwind::Trace trace;
};

// The place for a stack that begins at `frame`, in the function that returns to `caller`; nullptr:
// the thread has no slot. What is in it may be another's.
Recent* place_for(std::uintptr_t frame, const void* caller);

// The stack there, if it is the one at `frame` still, with that chain; 0: it is not.
std::uint32_t recall(const Recent& place, std::uintptr_t frame, std::uint64_t chain);

// Around a walk that fills `place.trace`: false when it is being filled already.
bool begin(Recent& place, std::uintptr_t frame, std::uint64_t chain);
void end(Recent& place, std::uint32_t stack);

// What an address means may have changed, or the recording in which the stacks are.
void forget_all();

}  // namespace lamprey::preload::stack::recent_stacks
