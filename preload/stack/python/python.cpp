// See python.h. Which Python this process has, and whether it may be read at this moment.
#include "preload/stack/python/python.h"

#include "preload/process/thread.h"
#include "preload/stack/python/chain.h"
#include "preload/stack/python/code_objects.h"
#include "preload/stack/python/merging.h"
#include "preload/stack/reading/memory_reads.h"

namespace lamprey::preload::stack::python {
namespace {

using recording::FrameReader;
using recording::load;
using recording::store;

constexpr std::uint32_t kMaxBroken = 8;  // walks one after the other

constinit Runtime g_runtime = {};  // written before `g_armed`
bool g_armed = false;
bool g_may_go = false;          // it came by dlopen
std::uint32_t g_readers = 0;    // who reads, where it may go
std::uint32_t g_unloading = 0;  // who unloads something
std::uint32_t g_broken = 0;     // walks in a row that met what is no frame
constexpr int kMaxSpins = 100000;

void say(FrameReader how) {
  store(g_writer.header().frame_readers[static_cast<std::uint32_t>(recording::Language::kPython)],
        how);
}

// While it is held, and told to be, the module that is called and read stays. To be released by
// whoever holds it: a destructor would be clean-up, for which a language's run time must be linked.
struct Held {
  bool counted;
  bool armed;
};

Held hold() {
  Held held = {load(g_may_go), __atomic_load_n(&g_armed, __ATOMIC_ACQUIRE)};
  if (held.counted) {
    __atomic_fetch_add(&g_readers, 1U, __ATOMIC_SEQ_CST);
    held.armed = __atomic_load_n(&g_unloading, __ATOMIC_SEQ_CST) == 0 && load(g_armed);
  }
  return held;
}

void release(Held held) {
  if (held.counted) {
    __atomic_fetch_sub(&g_readers, 1U, __ATOMIC_SEQ_CST);
  }
}

// glibc's and musl's pthread_self(): the thread pointer (x86_64), or where the thread's control
// block begins, which ends at it (arm64).
bool is_this_thread(std::uintptr_t thread) {
  const auto pointer = reinterpret_cast<std::uintptr_t>(__builtin_thread_pointer());
#if defined(__x86_64__)
  return thread == pointer;
#else
  constexpr std::uintptr_t kLargestControlBlock = 4096;
  return pointer - thread <= kLargestControlBlock;
#endif
}

// One that breaks every time is not what it was taken for.
void judge(Walked walked) {
  if (walked != Walked::kBroken) {
    if (load(g_broken) != 0) {
      store(g_broken, 0);
    }
  } else if (__atomic_add_fetch(&g_broken, 1U, __ATOMIC_RELAXED) == kMaxBroken) {
    store(g_armed, false);
    say(FrameReader::kNotProven);
  }
}

void read_held(Chain& chain) {
  // Once the interpreter ends it frees the states of threads that still wait.
  if (load(*reinterpret_cast<const std::uintptr_t*>(g_runtime.finalizing)) != 0) {
    return;
  }
  const std::uintptr_t state = g_runtime.this_thread();
  std::uintptr_t thread = 0;
  if (state == 0) {
    return;
  }
  if (!is_object(state) || !can_read(state, g_runtime.layout.state_thread + sizeof(thread))) {
    judge(Walked::kBroken);
    return;
  }
  __builtin_memcpy(&thread, reinterpret_cast<const void*>(state + g_runtime.layout.state_thread),
                   sizeof(thread));
  if (is_this_thread(thread)) {
    judge(walk(g_runtime, state, chain));
  }
}

}  // namespace

void module_came(const LoadedObject& object, bool wanted) {
  Runtime runtime;
  if (load(g_armed)) {
    return;
  }
  const FrameReader how = find_runtime(object, runtime);
  if (how == FrameReader::kAbsent) {
    return;
  }
  say(wanted ? how : FrameReader::kSwitchedOff);
  if (wanted && how == FrameReader::kOn) {
    g_runtime = runtime;
    store(g_may_go, recording_here());  // what is loaded before us, or with us, stays
    store(g_broken, 0);
    recording::publish(g_armed, true);
  }
}

bool armed() { return load(g_armed); }

void read(Chain& chain) {
  chain.count = 0;
  chain.hash = 0;
  chain.cut = false;
  const Held held = hold();
  if (held.armed) {
    read_held(chain);
  }
  release(held);
}

bool merge(const Chain& chain, const NativeFrames& native, Words& words) {
  const Held held = hold();
  const bool merges = chain.count != 0 && held.armed;
  if (merges) {
    merge(g_runtime, chain, native, words);
  }
  release(held);
  return merges;
}

void attach_child() { forget_words(); }

void unloading() {
  __atomic_fetch_add(&g_unloading, 1U, __ATOMIC_SEQ_CST);
  for (int i = 0; i < kMaxSpins && __atomic_load_n(&g_readers, __ATOMIC_SEQ_CST) != 0; ++i) {
  }
}

std::uintptr_t may_go() { return load(g_may_go) ? g_runtime.module_start : 0; }

void unloaded(bool stays) {
  if (load(g_may_go) && !stays) {
    store(g_armed, false);
    store(g_may_go, false);
    say(FrameReader::kAbsent);
  }
  __atomic_fetch_sub(&g_unloading, 1U, __ATOMIC_SEQ_CST);
}

}  // namespace lamprey::preload::stack::python
