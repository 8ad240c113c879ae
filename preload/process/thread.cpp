// How a thread gets a slot and gives it back. See thread.h.
#include "preload/process/thread.h"

#include <cerrno>

#include "preload/base/raw_syscall.h"
#include "preload/libc/real.h"

namespace lamprey::preload {
inline namespace process {

constinit WipedOnFork g_wiped = {};
constinit recording::Writer g_writer = {};
__thread __attribute__((tls_model("initial-exec"))) Thread t_thread = {};

namespace {

unsigned g_exit_key = 0;
ThreadWatch g_watch = {nullptr, nullptr};
bool g_have_exit_key = false;

// POSIX runs destructors of a thread's keys up to four times while values are set again. Others'
// destructors free memory and close files, which we want to count in the thread's slot: so the
// slot is given back in the last round. (libunwind's cache and memray do the same, for the same
// reason.)
constexpr std::uintptr_t kRounds = 4;  // PTHREAD_DESTRUCTOR_ITERATIONS, glibc and musl

void on_thread_exit(void* value) {
  const auto round = reinterpret_cast<std::uintptr_t>(value);
  if (round < kRounds) {
    g_real.pthread_setspecific(g_exit_key, reinterpret_cast<const void*>(round + 1));
    return;
  }
  recording::ThreadSlot* slot = t_thread.slot;
  t_thread.state = ThreadState::kShared;  // what still comes is counted there
  t_thread.slot = nullptr;
  if (slot != nullptr && recording_here()) {
    if (g_watch.goes != nullptr) {
      g_watch.goes(*slot);
    }
    g_writer.give_back(*slot);
  }
}

// A thread whose first counted call comes after the last round of its destructors cannot give its
// slot back: somebody's destructor may count only in its last round, or one ending thread frees
// what belonged to more than kFreesWithoutSlot others. With all slots lost like that, every thread
// would count in the shared one.
bool is_gone(std::int32_t tid) {
  return raw_syscall(SYS_tgkill, g_writer.header().pid, tid, 0) == -ESRCH;
}

}  // namespace

void watch_threads(ThreadWatch watch) { g_watch = watch; }

void prepare_thread_exit() {
  if (g_have_exit_key || g_real.pthread_key_create == nullptr ||
      g_real.pthread_setspecific == nullptr) {
    return;
  }
  g_have_exit_key = g_real.pthread_key_create(&g_exit_key, on_thread_exit) == 0;
}

recording::ThreadSlot* register_thread() {
  if (t_thread.state != ThreadState::kUnknown) {
    return nullptr;
  }
  t_thread.state = ThreadState::kBusy;
  t_thread.tid = static_cast<std::int32_t>(raw_syscall(SYS_gettid));
  recording::ThreadSlot* slot = g_writer.take_slot(t_thread.tid, is_gone);
  if (slot != nullptr && g_have_exit_key) {
    // Our key was made first, so its number is below 32 and glibc keeps the value inside the
    // thread's own block: no allocation and no lock (nptl/pthread_setspecific.c).
    g_real.pthread_setspecific(g_exit_key, reinterpret_cast<const void*>(std::uintptr_t{1}));
  }
  if (slot != nullptr) {
    recording::store(slot->thread_pointer,
                     reinterpret_cast<std::uintptr_t>(__builtin_thread_pointer()));
  }
  t_thread.slot = slot;
  t_thread.state = slot != nullptr ? ThreadState::kOwn : ThreadState::kShared;
  if (slot != nullptr && g_watch.came != nullptr) {
    g_watch.came(*slot);
  }
  return slot;
}

}  // namespace process
}  // namespace lamprey::preload
