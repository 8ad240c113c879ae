// The frames of languages in a stack: which runtimes are in this process, and one stack out of
// machine frames and theirs. Each language's own reader has a room below this one.
//
// A reader looks at the runtime's structures by plain, checked reads. It proves itself on what the
// runtime says of itself, or stays off for the process (Header::frame_readers says why).
//
// No allocation, lock, libc. Any thread; a signal handler that captures, and interrupts a capture
// of its own thread, gets machine frames only.
#pragma once

#include <cstdint>

#include "preload/stack/python/python.h"
#include "preload/stack/reading/dynamic_symbols.h"
#include "preload/stack/reading/frames.h"
#include "preload/stack/ruby/ruby.h"

namespace lamprey::preload::stack::languages {

// What one capture needs, for each thread once: too large for the stacks of small threads.
struct Scratch {
  bool busy;
  bool has_ruby;  // of the two chains
  NativeFrames native;
  Words words;
  // One chain: these are large, and there is a scratch for each thread that there may be. Where a
  // thread runs both, Python's is read.
  union {
    python::Chain python;
    ruby::Chain ruby;
  };
};

// LAMPREY_FRAMES=off. At attach, before any module is told of.
void switch_off();

// A module was loaded: is it a runtime?
void module_came(const LoadedObject& object);

// Whether a reader is on.
bool any();

// The calling thread's scratch, with what its language's own chain of frames is at this moment;
// nullptr: no reader is on, the thread has no slot, or it is being used (then machine frames must
// do). Give it back by end().
Scratch* begin();
void end(Scratch& scratch);

// The calling thread's second scratch, for the handler that samples it: it may interrupt a capture.
// nullptr: the thread has no slot. It is not given back: that handler does not interrupt itself.
Scratch* scratch_of_handler();

// Tells apart stacks of equal machine frames; 0: they tell by themselves.
std::uint64_t chain_of(const Scratch& scratch);

// Makes `words` of `native`. True: the machine frames' words alone tell that the stack is the same
// (it may be recalled by them, and by chain_of).
bool merge(Scratch& scratch);

// Around the real dlclose: a runtime may go with it. After modules.h has been told.
void unloading();
void unloaded();

// In a forked child that gets a recording of its own.
void attach_child();

}  // namespace lamprey::preload::stack::languages
