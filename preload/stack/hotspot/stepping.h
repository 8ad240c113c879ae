// One step up from a frame in HotSpot's code cache. The frame is at a call: pc is a return address.
// Java's own rules, no unwind table: the size of a compiled frame is written beside its code, the
// interpreter and some stubs keep a frame pointer.
//
// Cost: ~8 ns. Reads the stack upwards from the frame, and what code_cache.h finds; each read is
// checked. Any thread, any signal handler.
#pragma once

#include "preload/stack/hotspot/code_cache.h"

namespace lamprey::preload::stack::hotspot {

struct Position {
  std::uintptr_t pc;
  std::uintptr_t sp;
  std::uintptr_t fp;
};

// Where code was compiled that has to go on in the interpreter, its return address is that of a
// handler; the real one stands in the frame. `pc`: of a frame of `blob`, with the stack pointer sp.
std::uintptr_t real_pc(const Fields& fields, const Blob& blob, std::uintptr_t pc,
                       std::uintptr_t sp);

// False, and `position` as it was: nothing can be said. `end`: of the stack; 0: unknown. (arm64:
// the new pc may be signed.)
bool step_up(const Fields& fields, const Blob& blob, std::uintptr_t end, Position& position);

}  // namespace lamprey::preload::stack::hotspot
