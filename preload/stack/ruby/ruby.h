// The frames of Ruby in a stack: the calling thread's control frames as they are at this moment,
// and the stack that they make with the machine frames.
//
// A capture reads the chain first (it tells apart stacks of equal machine frames), and merges it
// only into a stack that is not recalled. Names and lines are copied at once: code objects die, and
// compaction moves them.
//
// Cost: a stack that was seen before, with 10, 20, 50 frames: +0.5, +0.7, +1.3 us of CPU time over
// one of machine frames, where a bare pair of malloc and free takes 14 ns. No allocation, lock or
// system call but the question whether a page can be read (page_probe.h). Any thread, with or
// without the interpreter's lock; a signal handler, too: what is half made there is left out.
#pragma once

#include <cstdint>

#include "preload/stack/reading/dynamic_symbols.h"
#include "preload/stack/reading/frames.h"

namespace lamprey::preload::stack::ruby {

struct Frame {
  std::uint64_t identity;  // of its code; never 0
  std::uintptr_t body;     // rb_iseq_constant_body
  std::int32_t position;   // of the instruction that runs, in words; negative: not known
  bool ends_run;           // the next frame out belongs to another call of the evaluator
};

// Innermost first.
struct Chain {
  static constexpr std::uint32_t kMax = recording::kMaxDepth;
  Frame frames[kMax];
  std::uint64_t hash;  // of all that a stack shows of them; 0: there are none
  std::uint32_t count;
  bool cut;  // there are more
};

// A module was loaded: is Ruby in it? `wanted`: frames are not switched off. Only one that is there
// when the program begins can be read.
void module_came(const LoadedObject& object, bool wanted);

// A Ruby is here, and not proven yet.
bool is_coming();

// Tries to prove it, by what the calling thread runs; `chain` is where it works. Not in a signal
// handler: it may call into Ruby. True: it has just been proven. `in_evaluator` is then an address
// in the function that runs Ruby code, or 0.
bool prove(Chain& chain, std::uintptr_t& in_evaluator);

// Where that function begins and ends, for which the caller has tables. As long as it is not told,
// Ruby's frames stand behind the innermost machine frames.
void set_evaluator(std::uintptr_t begin, std::uintptr_t end);

// A Ruby is here, and proven.
bool armed();

// The calling thread's chain; an empty one where it runs no Ruby.
void read(Chain& chain);

// Appends the stack that they make. False, and nothing appended: there are no frames of Ruby's.
bool merge(const Chain& chain, const NativeFrames& native, Words& words);

}  // namespace lamprey::preload::stack::ruby
