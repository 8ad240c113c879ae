// The Ruby that a module holds, if any: its version, and where it keeps what is read of it. Nothing
// is called and nothing is read of a running program here.
#pragma once

#include <cstdint>

#include "preload/stack/reading/dynamic_symbols.h"
#include "preload/stack/ruby/layouts.h"
#include "recording/functions.h"

namespace lamprey::preload::stack::ruby {

struct Runtime {
  Layout layout;
  std::uintptr_t module_start;
  std::uintptr_t module_end;
  // The module's block of thread-local data, from the thread pointer on: the same in all threads,
  // since the module was there when the program began.
  std::intptr_t thread_block;
  std::uintptr_t thread_block_bytes;
  std::intptr_t context;         // of ruby_current_ec, from the thread pointer on; 0: to be found
  std::uintptr_t evaluator;      // the function that runs Ruby code; 0: not known
  std::uintptr_t evaluator_end;  // behind it
  // Called once, in the proof.
  int (*profile_frames)(int start, int limit, std::uintptr_t* frames, int* lines);
  std::uintptr_t (*path_of)(std::uintptr_t frame);
  std::uintptr_t (*label_of)(std::uintptr_t frame);
  int (*is_collecting)();  // rb_during_gc
  int (*may_run)();        // ruby_thread_has_gvl_p
};

// kOn: `runtime` is filled, and still to be proven. kAbsent: there is no Ruby in that module.
recording::FrameReader find_runtime(const LoadedObject& object, Runtime& runtime);

// Where a context has its control frames: from the innermost up to `end`. innermost 0: the thread,
// or the fiber, is being made. False: that is no context.
struct ControlFrames {
  std::uintptr_t innermost;
  std::uintptr_t end;
};
bool control_frames(const Layout& layout, std::uintptr_t context, ControlFrames& frames);

// The calling thread's execution context. 0: it runs no Ruby, or where it stands is not known yet
// (then it looks for it, and writes it down in `runtime`).
std::uintptr_t find_context(Runtime& runtime);
std::uintptr_t context_of(const Runtime& runtime);

}  // namespace lamprey::preload::stack::ruby
