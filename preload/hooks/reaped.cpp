// Conditions that were signalled after a wait for a child; see the header.
#include "preload/hooks/reaped.h"

#include <cerrno>

#include "preload/base/ticks.h"
#include "preload/base/tripwire.h"
#include "preload/libc/real.h"
#include "preload/stack/submissions.h"

namespace lamprey::preload::hooks::reaped {
namespace {

using recording::load;
using recording::store;

constexpr std::uint64_t kSoonNs = 10'000'000;  // from the child's end to the signal
constexpr std::uint32_t kPlaces = 16;

// Written and read by different threads without a lock. Torn or overwritten, one wait is charged as
// a wait for a lock, or the other way round.
struct Signalled {
  const void* condition;
  std::uint64_t at;
  std::uint64_t ticks;  // of the wait for the child
};
constinit Signalled g_signalled[kPlaces] = {};
std::uint32_t g_next = 0;
std::uint32_t g_any = 0;  // whether there ever was one: most programs have none

}  // namespace

__thread __attribute__((tls_model("initial-exec"))) io::LastWait t_last = {};

void signals_slow(const void* condition) {
  const std::uint64_t now = ticks();
  if (!t_last.is_since(now - ticks_for(kSoonNs))) {
    t_last = {};
    return;
  }
  const std::uint32_t place = __atomic_fetch_add(&g_next, 1U, __ATOMIC_RELAXED) % kPlaces;
  Signalled& entry = g_signalled[place];
  recording::take_back(entry.condition, nullptr);
  store(entry.ticks, t_last.ticks());
  store(entry.at, now);
  __atomic_store_n(&entry.condition, condition, __ATOMIC_RELEASE);
  store(g_any, 1);
}

bool was_for_child(const void* condition, const Spent& spent) {
  if (load(g_any) == 0) [[likely]] {
    return false;
  }
  for (Signalled& entry : g_signalled) {
    // Signalled during this wait, and the other thread waited for its child for at least half as
    // long.
    if (__atomic_load_n(&entry.condition, __ATOMIC_ACQUIRE) == condition &&
        load(entry.at) >= spent.begin && load(entry.at) <= spent.end &&
        load(entry.ticks) >= spent.ticks / 2) {
      return true;
    }
  }
  return false;
}

}  // namespace lamprey::preload::hooks::reaped

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
    reaped::signals(condition);                                                               \
    stack::submissions::signals();                                                            \
    return g_real.symbol(condition);                                                          \
  }
LAMPREY_SIGNALS(pthread_cond_signal)
LAMPREY_SIGNALS(pthread_cond_broadcast)
#undef LAMPREY_SIGNALS
