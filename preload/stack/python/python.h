// The frames of CPython in a stack: the calling thread's chain of them as it is at this moment, and
// the stack that they make with the machine frames.
//
// A capture reads the chain first (it tells apart stacks of equal machine frames), and merges it
// only into a stack that is not recalled. Names and lines are copied at once: code objects die.
//
// Cost: ~6 ns a frame to read, ~4 ns a frame seen before to merge. No allocation, lock or system
// call but the question whether a page can be read (page_probe.h). Any thread, with or without the
// GIL; a signal handler, too: what is half made there is left out.
#pragma once

#include <cstdint>

#include "preload/stack/reading/dynamic_symbols.h"
#include "preload/stack/reading/frames.h"

namespace lamprey::preload::stack::python {

struct Frame {
  std::uint64_t identity;    // of its code object; never 0
  std::uintptr_t code;       // the code object
  std::uintptr_t run_ends;   // where on the C stack the run that it ends has its evaluator, if told
  std::int32_t instruction;  // the last one's offset in the code, in bytes; negative: none yet
  bool ends_run;             // the next frame out belongs to another call of the evaluator
};

// Innermost first.
struct Chain {
  static constexpr std::uint32_t kMax = recording::kMaxDepth;
  Frame frames[kMax];
  std::uint64_t hash;  // of all that a stack shows of them; 0: there are none
  std::uint32_t count;
  bool cut;  // there are more
};

// A module was loaded: is Python in it? `wanted`: frames are not switched off.
void module_came(const LoadedObject& object, bool wanted);

// Around the real dlclose. One that came by dlopen may go: may_go() is an address in its module
// (0: it stays), `stays` whether that is loaded still.
void unloading();
std::uintptr_t may_go();
void unloaded(bool stays);

// A Python is here, and proven.
bool armed();

// The calling thread's chain; an empty one where it runs no Python.
void read(Chain& chain);

// Appends the stack that they make. False, and nothing appended: there are no frames of Python's.
bool merge(const Chain& chain, const NativeFrames& native, Words& words);

// In a forked child that gets a recording of its own.
void attach_child();

}  // namespace lamprey::preload::stack::python
