// Whether this process is recorded, and this thread's place in the recording. Everything a hook
// must ask before it counts stands here, inline; the slow half is thread.cpp.
//
// The two questions of every hook, in the order of their cost:
//   1. does this thread have a slot?      one TLS load (initial-exec: we are preloaded, so the
//                                         static block has room; no __tls_get_addr, which may
//                                         allocate)
//   2. is this process the recorded one?  one byte, in a page that the kernel zeroes in every
//                                         forked child (MADV_WIPEONFORK): so even a child made by
//                                         a bare clone(), where no atfork handler runs, never
//                                         writes into its parent's recording
#pragma once

#include <cstdint>

#include "recording/writer.h"

namespace lamprey::preload {
inline namespace process {

inline constexpr std::size_t kWipedBytes = 4096;

struct alignas(kWipedBytes) WipedOnFork {
  std::uintptr_t sizes_by_header;  // all ones: and usable sizes may be read from chunk headers
  std::uint8_t recording;          // 1: attached, and not a child of the attached process
  std::uint8_t rest[kWipedBytes - sizeof(std::uintptr_t) - 1];
};

// Hidden where it is declared, like every global that hooks look at: only then is it addressed
// directly and not by way of the global offset table.
[[gnu::visibility("hidden")]] extern WipedOnFork g_wiped;
[[gnu::visibility("hidden")]] extern recording::Writer g_writer;

enum class ThreadState : std::uint16_t {
  kUnknown = 0,  // zero-initialised TLS: never seen
  kBusy = 1,     // taking a slot; a signal handler that counts now uses the shared slot
  kOwn = 2,
  kShared = 3,  // no slot was left, or the thread's keys are already destroyed
};

// Trivial, zero-initialised, never destroyed: valid before the first and after the last
// destructor of a thread.
struct Thread {
  recording::ThreadSlot* slot;  // nullptr unless kOwn
  ThreadState state;
  std::uint16_t
      early_frees;  // while kUnknown: those that current_slot_to_free() did not count there
  std::int32_t tid;
};
static_assert(sizeof(Thread) == 16);

extern __thread __attribute__((tls_model("initial-exec"))) Thread t_thread;

inline bool sizes_by_header() {
  return __atomic_load_n(&g_wiped.sizes_by_header, __ATOMIC_RELAXED) != 0;
}

// The thread's slot if everything is as it nearly always is: it has one, this process is recorded,
// its malloc is glibc's. Else nullptr. One question instead of three. (Not an atomic load: written
// at attach, before there is a second thread, and by the kernel in a child that has one thread. So
// the compiler may fold it into the `and`.)
inline recording::ThreadSlot* usual_slot() {
  return reinterpret_cast<recording::ThreadSlot*>(reinterpret_cast<std::uintptr_t>(t_thread.slot) &
                                                  g_wiped.sizes_by_header);
}

inline bool recording_here() { return __atomic_load_n(&g_wiped.recording, __ATOMIC_RELAXED) != 0; }

// A thread's first counted event: takes a slot (one gettid, no other system call). Returns the
// slot or nullptr: count in the shared one.
recording::ThreadSlot* register_thread();

// The slot to count in, nullptr for the shared one. Only when recording_here().
inline recording::ThreadSlot* current_slot() {
  recording::ThreadSlot* slot = t_thread.slot;
  return slot != nullptr ? slot : register_thread();
}

// current_slot() for a free. A thread that did nothing else so far may be one that ends: with its
// last destructor behind it, it frees what belonged to others' stacks when glibc's cache of them is
// full (__nptl_free_stacks, nptl/nptl-stack.c), and could not give its slot back any more. So the
// first frees are counted in the shared slot, with atomics; who goes on freeing is at work and gets
// one.
inline constexpr std::uint16_t kFreesWithoutSlot = 64;
inline recording::ThreadSlot* current_slot_to_free() {
  if (t_thread.state == ThreadState::kUnknown && t_thread.early_frees < kFreesWithoutSlot) {
    ++t_thread.early_frees;
    return nullptr;
  }
  return current_slot();
}

// The calling thread's id, never 0. Only when recording_here().
inline std::int32_t current_tid() {
  current_slot();
  return t_thread.tid;
}

// Who wants to know which threads have a slot: told in that thread, after it got one and before it
// gives it back. One watcher (preload/cpu).
struct ThreadWatch {
  void (*came)(const recording::ThreadSlot& slot);
  void (*goes)(const recording::ThreadSlot& slot);
};
void watch_threads(ThreadWatch watch);

// Makes the key whose destructor gives a thread's slot back. At attach only.
void prepare_thread_exit();

// Forgets the calling thread's slot (a forked child that gets a recording of its own).
inline void forget_thread() { t_thread = {}; }

}  // namespace process
}  // namespace lamprey::preload
