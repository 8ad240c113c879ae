// Who ends waits on conditions and semaphores; see the header.
#include "preload/hooks/wakers.h"

#include <algorithm>
#include <cerrno>

#include "preload/base/ticks.h"
#include "preload/base/tripwire.h"
#include "preload/hooks/hook.h"
#include "preload/libc/real.h"
#include "preload/process/thread.h"
#include "preload/stack/submissions.h"

namespace lamprey::preload::hooks::wakers {
namespace {

using recording::load;
using recording::store;
using recording::ThreadSlot;

// All of this is written and read by different threads without a lock. Torn or overwritten, one
// wait is charged as a wait for a lock, or the other way round.

// Waits of one kind, one after the other; in ticks.
struct Span {
  std::uint64_t begin;
  std::uint64_t end;
  std::uint64_t waited;  // less than end - begin by what lay between them
};

// Of each kind the newest and the one before.
struct Waits {
  std::int32_t tid;  // whose they are: a slot has other threads in time
  Span spans[recording::kWorkClasses][2];
};
constinit Waits g_waits[recording::kThreadSlots] = {};

struct Signalled {
  const void* word;
  std::uint64_t at;
  std::uint32_t slot;
  std::int32_t tid;
};
constexpr unsigned kPlaceBits = 6;
constinit Signalled g_signalled[1U << kPlaceBits] = {};

// Who took a semaphore last.
struct Taken {
  const void* semaphore;
  std::int32_t tid;
  bool handed_over;  // another thread posted it last
};
constexpr unsigned kTakenBits = 9;
constinit Taken g_taken[1U << kTakenBits] = {};

std::uintptr_t hash_of(const void* word) {
  return reinterpret_cast<std::uintptr_t>(word) * 0x9E3779B97F4A7C15U;
}

Signalled& signalled(const void* word) { return g_signalled[hash_of(word) >> (64 - kPlaceBits)]; }

Taken& taken(const void* semaphore) { return g_taken[hash_of(semaphore) >> (64 - kTakenBits)]; }

// A gap of so much does not divide waits, nor one of a quarter of what there is.
constexpr std::uint64_t kGapNs = 1'000'000;

bool belongs_to(const Span& span, std::uint64_t begin) {
  const std::uint64_t gap = begin - std::min(begin, span.end);
  return span.waited != 0 && begin >= span.begin &&
         gap <= std::max((span.end - span.begin) / 4, ticks_for(kGapNs));
}

void add(Span (&spans)[2], const Spent& spent) {
  if (!belongs_to(spans[0], spent.begin)) {
    spans[1] = spans[0];
    store(spans[0].begin, spent.begin);
    store(spans[0].waited, std::uint64_t{0});
  }
  store(spans[0].waited, spans[0].waited + spent.ticks);
  store(spans[0].end, spent.end);
}

// How much of the waits lay between two moments, at least.
std::uint64_t within(const Span& span, std::uint64_t from, std::uint64_t to) {
  const std::uint64_t begin = std::max(load(span.begin), from);
  const std::uint64_t end = std::min(load(span.end), to);
  const std::uint64_t all = load(span.end) - load(span.begin);
  const std::uint64_t waited = std::min(load(span.waited), all);
  const std::uint64_t both = end > begin ? end - begin : 0;
  return both - std::min(both, all - waited);
}

// The thread that ended a long wait of the owner of `slot`.
void learn(ThreadSlot& slot, std::int32_t tid) {
  recording::Waker* rarest = &slot.wakers[0];
  for (recording::Waker& waker : slot.wakers) {
    if (load(waker.tid) == tid) {
      store(waker.times, load(waker.times) + 1);
      return;
    }
    rarest = load(waker.times) < load(rarest->times) ? &waker : rarest;
  }
  store(rarest->tid, tid);
  store(rarest->times, std::uint32_t{1});
}

// Of the first `classes` of what threads do for each other.
CallClass class_of(const void* word, const Spent& spent, CallClass by_name, std::uint32_t classes) {
  constexpr std::uint64_t kLearnNs = 10'000'000;
  const Signalled& entry = signalled(word);
  const bool it_was = __atomic_load_n(&entry.word, __ATOMIC_ACQUIRE) == word &&
                      load(entry.at) >= spent.begin && load(entry.at) <= spent.end;
  ThreadSlot* own = current_slot();
  const std::uint32_t other = load(entry.slot);
  if (!it_was || own == nullptr || other >= recording::kThreadSlots) {
    return by_name;
  }
  if (spent.ticks >= ticks_for(kLearnNs)) {
    learn(*own, load(entry.tid));
  }
  const Waits& waits = g_waits[other];
  if (load(waits.tid) != load(entry.tid)) {
    return by_name;
  }
  CallClass most = by_name;
  std::uint64_t ticks = spent.ticks / 2;
  for (std::uint32_t i = 0; i < classes; ++i) {
    const std::uint64_t both = within(waits.spans[i][0], spent.begin, load(entry.at)) +
                               within(waits.spans[i][1], spent.begin, load(entry.at));
    if (both >= ticks && both != 0) {
      most = recording::kWork[i];
      ticks = both;
    }
  }
  return most != by_name ? io::handed_on(most, spent) : by_name;
}

// Whether it is known to hand something over.
bool hands_over(const void* semaphore) {
  const Taken& entry = taken(semaphore);
  return load(entry.semaphore) == semaphore &&
         (load(entry.handed_over) || load(entry.tid) == t_thread.tid);
}

}  // namespace

void note_wait(const ThreadSlot& slot, CallClass spent_on, const Spent& spent) {
  const std::uint32_t index = g_writer.index_of(slot);
  if (index == 0 || index >= recording::kThreadSlots) {
    return;  // one for all threads that got none
  }
  Waits& waits = g_waits[index];
  const std::int32_t tid = load(slot.tid);
  if (load(waits.tid) != tid) {
    waits = {};
    store(waits.tid, tid);
  }
  for (std::uint32_t i = 0; i < recording::kWorkClasses; ++i) {
    if (recording::kWork[i] == spent_on) {
      add(waits.spans[i], spent);
    }
  }
}

void about_to_end(const void* word) {
  const ThreadSlot* slot = current_slot();
  if (slot == nullptr) {
    return;
  }
  Signalled& entry = signalled(word);
  recording::take_back(entry.word, nullptr);
  store(entry.at, ticks());
  store(entry.slot, g_writer.index_of(*slot));
  store(entry.tid, load(slot->tid));
  __atomic_store_n(&entry.word, word, __ATOMIC_RELEASE);
}

void took(const void* semaphore) {
  if (current_slot() == nullptr) {  // which also learns who this thread is
    return;
  }
  Taken& entry = taken(semaphore);
  if (load(entry.semaphore) != semaphore) {
    store(entry.semaphore, semaphore);
    store(entry.handed_over, false);
  }
  store(entry.tid, t_thread.tid);
}

void about_to_post(const void* semaphore) {
  Taken& entry = taken(semaphore);
  if (load(entry.semaphore) == semaphore) {
    store(entry.handed_over, load(entry.tid) != t_thread.tid);
  }
  // A sem_t has the number of those who wait behind its value (glibc, since 2.21).
  std::uint32_t waiting = 0;
  __builtin_memcpy(&waiting, static_cast<const char*>(semaphore) + sizeof(waiting),
                   sizeof(waiting));
  if (waiting != 0) {
    about_to_end(semaphore);
  }
}

std::int32_t holder_of(const void* semaphore) {
  const Taken& entry = taken(semaphore);
  const std::int32_t tid = load(entry.tid);
  const bool is_lock = load(entry.semaphore) == semaphore && !load(entry.handed_over);
  return is_lock && tid != 0 && tid != t_thread.tid ? tid : -1;
}

CallClass class_of_condition(const void* condition, const Spent& spent, CallClass by_name) {
  return class_of(condition, spent, by_name, recording::kOutsideClasses);
}

CallClass class_of_semaphore(const void* semaphore, const Spent& spent, CallClass by_name) {
  return class_of(semaphore, spent, by_name,
                  hands_over(semaphore) ? recording::kWorkClasses : recording::kOutsideClasses);
}

}  // namespace lamprey::preload::hooks::wakers

// Hooks only, from here on.
using namespace lamprey::preload;         // NOLINT(google-build-using-namespace)
using namespace lamprey::preload::hooks;  // NOLINT(google-build-using-namespace)

// Signalling is no wait and is counted nowhere.
#define LAMPREY_SIGNALS(symbol)                                                               \
  extern "C"                                                                                  \
      __attribute__((visibility("default"))) int hook_##symbol(void* condition) asm(#symbol); \
  int hook_##symbol(void* condition) {                                                        \
    tripwire::check(#symbol);                                                                 \
    if (!available(g_real.symbol, #symbol)) {                                                 \
      return ENOSYS;                                                                          \
    }                                                                                         \
    if (wakers::may_have_waiters(condition) && recording_here()) {                            \
      wakers::about_to_end(condition);                                                        \
    }                                                                                         \
    stack::submissions::signals();                                                            \
    return g_real.symbol(condition);                                                          \
  }
LAMPREY_SIGNALS(pthread_cond_signal)
LAMPREY_SIGNALS(pthread_cond_broadcast)
#undef LAMPREY_SIGNALS

LAMPREY_HOOK(int, sem_post, void* semaphore) {
  tripwire::check("sem_post");
  if (!available(g_real.sem_post, "sem_post")) {
    errno = ENOSYS;
    return -1;
  }
  if (recording_here()) {
    wakers::about_to_post(semaphore);
  }
  return g_real.sem_post(semaphore);
}

LAMPREY_HOOK(int, sem_trywait, void* semaphore) {
  tripwire::check("sem_trywait");
  if (!available(g_real.sem_trywait, "sem_trywait")) {
    errno = ENOSYS;
    return -1;
  }
  const int result = g_real.sem_trywait(semaphore);
  if (result == 0 && recording_here()) {
    wakers::took(semaphore);
  }
  return result;
}
