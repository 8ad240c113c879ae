// Java's frames: what stacks.h's walk and languages.h's merge ask of a JVM in this process. The JVM
// is read, never called; it is found when its module is met, and understood at the captures that
// follow, since it describes itself while it starts. Versions that this was not tried with stay
// off.
//
// No allocation, lock, libc; any thread, any signal handler.
#pragma once

#include <cstdint>

#include "preload/stack/hotspot/stepping.h"
#include "preload/stack/reading/dynamic_symbols.h"
#include "preload/stack/reading/frames.h"
#include "recording/counting.h"

namespace lamprey::preload::stack::hotspot {

bool is_runtime(const LoadedObject& object);  // libjvm.so

// It was met.
void module_came(const LoadedObject& runtime);

// There is something to do yet before frames can be read: call prepare().
enum class Stage : std::uint8_t { kNoRuntime, kMet, kRead, kReady };
[[gnu::visibility("hidden")]] extern Stage g_stage;
inline bool is_coming() {
  const Stage stage = recording::load(g_stage);
  return stage == Stage::kMet || stage == Stage::kRead;
}

// Goes on with it; kAbsent while the JVM is not so far. ~100 us in all, once.
recording::FrameReader prepare();

// The code cache; no bytes while the reader is not ready.
struct CodeRange {
  std::uintptr_t low;
  std::uintptr_t bytes;
};
[[gnu::visibility("hidden")]] extern CodeRange g_code;

inline bool holds(std::uintptr_t pc) {
  return pc - recording::load(g_code.low) < recording::load(g_code.bytes);
}

// From a frame whose return address holds() to its caller; false: nothing can be said. (arm64: the
// new pc may be signed.) `end`: of the stack; 0: not known.
bool step(Position& position, std::uintptr_t end);

// The same from an interrupted instruction that holds(): the frame may be half made, or half
// undone. Only a return address into known code is taken.
bool step_interrupted(Position& position, std::uintptr_t end);

// The methods that such a frame stands for, innermost first: none, one, or those inlined too.
void append(const NativeFrame& frame, Words& words);

// In a forked child that gets a recording of its own.
void attach_child();

}  // namespace lamprey::preload::stack::hotspot
