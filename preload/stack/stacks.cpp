// The table of stacks; see the header. Stacks are handed out densely from the front, so that a
// reader reads, and the process touches, no more pages than there are stacks; a private index finds
// a stack by its hash.
#include "preload/stack/stacks.h"

#include "preload/base/text.h"
#include "preload/base/tripwire.h"
#include "preload/libc/environment.h"
#include "preload/process/thread.h"
#include "preload/stack/interrupted.h"
#include "preload/stack/languages.h"
#include "preload/stack/modules.h"
#include "preload/stack/recent_stacks.h"
#include "preload/stack/signal_walk.h"
#include "preload/stack/submissions.h"
#include "preload/stack/unwind.h"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace lamprey::preload::stack {
namespace {

using recording::kFrameWords;
using recording::kStacks;
using recording::load;
using recording::Stack;
using recording::store;

constexpr std::uint32_t kIndexSize = 2 * kStacks;
constexpr std::uint32_t kMaxProbes = 64;

std::uint32_t g_index[kIndexSize];  // index in Stack[] + 1
bool g_on = false;

// Two chains of multiplications, so that one need not wait for the other.
std::uint64_t hash_of(const Words& taken, std::uint32_t generation) {
  constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15U;
  std::uint64_t even = generation + 1;
  std::uint64_t odd = taken.depth;
  std::uint32_t i = 0;
  for (; i + 1 < taken.depth; i += 2) {
    even = (even ^ taken.frames[i]) * kOdd;
    even ^= even >> 29U;
    odd = (odd ^ taken.frames[i + 1]) * kOdd;
    odd ^= odd >> 31U;
  }
  if (i < taken.depth) {
    even = (even ^ taken.frames[i]) * kOdd;
  }
  const std::uint64_t hash = (even ^ (odd << 1U) ^ (odd >> 63U)) * kOdd;
  return hash ^ (hash >> 32U);
}

// How much of a section of `all` entries may be in use now. Init must not take all the room: that
// of a large framework (Spring) has more stacks than there are entries, and invocations come after
// it.
std::uint32_t room_now(std::uint32_t all) {
  const bool in_init =
      g_writer.header().role == recording::Role::kRuntime && !g_writer.init_ended();
  return in_init ? all / 4 * 3 : all;
}

// Room for the frames of a stack; kFrameWords when there is none.
std::uint32_t place_for_frames(std::uint32_t depth) {
  std::uint32_t& used = g_writer.header().frame_words_used;
  if (load(used) + depth > room_now(kFrameWords)) {
    return kFrameWords;
  }
  const std::uint32_t first = __atomic_fetch_add(&used, depth, __ATOMIC_RELAXED);
  return first <= kFrameWords - depth ? first : kFrameWords;
}

// A new entry, complete but for its depth; 0 when there is no room.
std::uint32_t fill_next(const Words& taken, std::uint64_t hash, std::uint32_t generation) {
  recording::Header& header = g_writer.header();
  if (load(header.stacks_used) >= room_now(kStacks)) {
    return 0;
  }
  const std::uint32_t first = place_for_frames(taken.depth);
  if (first == kFrameWords) {
    return 0;
  }
  const std::uint32_t index = __atomic_fetch_add(&header.stacks_used, 1U, __ATOMIC_RELAXED);
  if (index >= kStacks) {
    return 0;  // several threads overshot together; a reader clamps
  }
  Stack& stack = g_writer.stack_at(index);
  store(stack.hash, hash);
  stack.flags = taken.cut ? recording::kStackCut : std::uint16_t{0};
  stack.generation = static_cast<std::uint16_t>(generation);
  stack.first = first;
  for (std::uint32_t i = 0; i < taken.depth; ++i) {
    g_writer.frame_words()[first + i] = taken.frames[i];
  }
  return index + 1;
}

std::uint32_t keep_taken(const Words& taken) {
  const std::uint32_t generation = load(g_writer.header().generation);
  const std::uint64_t hash = hash_of(taken, generation);
  std::uint32_t fresh = 0;
  for (std::uint32_t probe = 0; probe < kMaxProbes; ++probe) {
    std::uint32_t& place = g_index[(hash + probe) % kIndexSize];
    std::uint32_t there = __atomic_load_n(&place, __ATOMIC_ACQUIRE);
    if (there == 0) {
      fresh = fresh != 0 ? fresh : fill_next(taken, hash, generation);
      if (fresh == 0) {
        break;
      }
      if (__atomic_compare_exchange_n(&place, &there, fresh, false, __ATOMIC_ACQ_REL,
                                      __ATOMIC_ACQUIRE)) {
        recording::publish(g_writer.stack_at(fresh - 1).depth, taken.depth);
        return fresh;
      }
    }
    if (load(g_writer.stack_at(there - 1).hash) == hash) {
      return there;  // `fresh`, if another thread was faster, stays unfinished
    }
  }
  recording::shared_add(g_writer.header().stacks_refused, 1);
  return 0;
}

inline void take(Words& taken, unwind::Trace& trace) {
  const modules::Range own = modules::own();
  const unwind::Walk walk =
      unwind::walk(taken.frames, recording::kMaxDepth, own.begin, own.end, trace);
  taken.depth = walk.depth;
  taken.cut = walk.cut;
}

// Its caller's frame stays on the stack below the words that a trace holds: no tail call.
std::uint32_t __attribute__((noinline)) walk_and_keep(unwind::Trace& trace) {
  Words taken;
  take(taken, trace);
  return taken.depth != 0 ? keep_taken(taken) : 0;
}

// The same with the frames of the thread's language.
std::uint32_t __attribute__((noinline))
walk_and_merge(languages::Scratch& scratch, unwind::Trace& trace) {
  const modules::Range own = modules::own();
  unwind::walk_frames(scratch.native, own.begin, own.end, trace);
  trace.complete = languages::merge(scratch) && trace.complete;
  const std::uint32_t stack = scratch.words.depth != 0 ? keep_taken(scratch.words) : 0;
  submissions::kept(stack, scratch.words);
  return stack;
}

std::uint32_t walk_with(languages::Scratch* scratch, unwind::Trace& trace) {
  return scratch != nullptr ? walk_and_merge(*scratch, trace) : walk_and_keep(trace);
}

// A trace that nobody will look at.
std::uint32_t __attribute__((noinline)) walk_once(languages::Scratch* scratch) {
  unwind::Trace trace;
  trace.base = UINTPTR_MAX;
  return walk_with(scratch, trace);
}

#if defined(LAMPREY_TRIPWIRE)
// Checks that the recognised stack is the one that a walk finds.
void check_recalled(std::uint32_t stack, languages::Scratch* scratch) {
  if (const std::uint32_t walked = walk_once(scratch); walked != 0 && walked != stack) {
    tripwire::fire("recent_stacks::recall, which took one stack for another");
  }
}
#else
void check_recalled(std::uint32_t, languages::Scratch*) {}
#endif

}  // namespace

void attach(const void* caller) {
  unwind::set_main_stack(reinterpret_cast<std::uintptr_t>(environ));
  if (environment_value("PYTHONPERFSUPPORT") != nullptr) {
    unwind::expect_trampolines();
  }
  if (const char* frames = environment_value("LAMPREY_FRAMES");
      frames != nullptr && equal(frames, "off")) {
    languages::switch_off();
  }
  modules::attach(languages::module_came);
  signal_walk::attach();
  Words taken;
  unwind::Trace unused;
  unused.base = UINTPTR_MAX;
  take(taken, unused);
  g_on = taken.depth > 0 && taken.frames[0] == reinterpret_cast<std::uintptr_t>(caller);
  if (g_on) {
    keep_taken(taken);
    g_writer.header().flags |= recording::kFlagStacks;
  }
}

void attach_child(const recording::Header& parent, const void* parent_modules) {
  __builtin_memcpy(&g_writer.module_at(0), parent_modules,
                   sizeof(recording::Module) * recording::kModules);
  g_writer.header().modules_used = parent.modules_used;
  g_writer.header().generation = parent.generation;
  for (std::uint32_t& place : g_index) {
    store(place, 0);
  }
  modules::write_again();
  recent_stacks::forget_all();
  __builtin_memcpy(g_writer.header().frame_readers, parent.frame_readers,
                   sizeof(parent.frame_readers));
  languages::attach_child();  // a reader may say that it is off there
  g_writer.header().flags |= g_on ? recording::kFlagStacks : 0;
}

// The frame address is where this function's frame begins, with the caller's frame pointer and the
// return address: what lies above is what the callers did.
std::uint32_t __attribute__((noinline)) capture() {
  if (!g_on || !recording_here()) {
    return 0;
  }
  const auto frame = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  recent_stacks::Recent* place = recent_stacks::place_for(frame, __builtin_return_address(0));
  languages::Scratch* scratch = languages::begin();
  const std::uint64_t chain = scratch != nullptr ? languages::chain_of(*scratch) : 0;
  std::uint32_t stack = place != nullptr ? recent_stacks::recall(*place, frame, chain) : 0;
  if (stack != 0) {
    check_recalled(stack, scratch);
  } else if (place != nullptr && recent_stacks::begin(*place, frame, chain)) {
    stack = walk_with(scratch, place->trace);
    recent_stacks::end(*place, stack);
  } else {
    stack = walk_once(scratch);
  }
  if (scratch != nullptr) {
    languages::end(*scratch);
  }
  return stack;
}

std::uint32_t capture_interrupted(const void* context) {
  if (!g_on || !recording_here()) {
    return 0;
  }
  Words taken;
  const signal_walk::Walk walk = signal_walk::walk(context, taken.frames, recording::kMaxDepth);
  if (walk.depth == 0) {
    return 0;
  }
  taken.depth = walk.depth;
  taken.cut = walk.cut;
  ++taken.frames[0];  // readers look up the instruction before an address: they expect return
                      // addresses
  return keep_taken(taken);
}

std::uint32_t capture_interrupted_with_languages(const void* context) {
  languages::Scratch* scratch =
      g_on && recording_here() && languages::any() ? languages::scratch_of_handler() : nullptr;
  if (scratch == nullptr) {
    return 0;
  }
  signal_walk::walk_frames(context, scratch->native);
  languages::merge(*scratch);
  return scratch->words.depth != 0 ? keep_taken(scratch->words) : 0;
}

const Words* words_of_interrupted(const void* context) {
  if (!g_on || !recording_here()) {
    return nullptr;
  }
  languages::Scratch* scratch = languages::scratch_of_handler();
  if (scratch == nullptr) {
    return nullptr;
  }
  interrupted::walk(context, scratch->native);
  languages::merge(*scratch);
  return scratch->words.depth != 0 ? &scratch->words : nullptr;
}

std::uint32_t keep(const Words& words) { return keep_taken(words); }

void unloading() {
  languages::unloading();
  modules::unloading();
}

void unloaded() {
  modules::unloaded();
  languages::unloaded();
  unwind::forget_addresses();
  recent_stacks::forget_all();
}

}  // namespace lamprey::preload::stack
