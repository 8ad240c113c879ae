// Words that were woken of late; see the header.
#include "preload/hooks/woken.h"

#include "preload/base/ticks.h"
#include "preload/process/thread.h"

namespace lamprey::preload::hooks::woken {
namespace {

using recording::load;
using recording::store;

// Written and read by different threads without a lock. Torn or overwritten, one wait is charged as
// a wait for a lock.
struct Woken {
  std::uintptr_t word;
  std::uint64_t at;
  std::uint64_t ticks;     // that the other thread had waited
  io::LastWait inherited;  // it was woken itself, and passes that on
  CallClass spent_on;
};
constexpr unsigned kPlaceBits = 6;
constinit Woken g_woken[1U << kPlaceBits] = {};

Woken& place_of(std::uintptr_t word) {
  return g_woken[(word * 0x9E3779B97F4A7C15U) >> (64 - kPlaceBits)];
}

}  // namespace

void about_to_wake(std::uintptr_t word) {
  const recording::ThreadSlot* slot = current_slot();
  if (slot == nullptr) {
    return;
  }
  io::Work work = io::work_since_waking(*slot);
  const bool passes_on = work.spent_on == CallClass::kOther && io::t_inherited.is_any();
  if (passes_on) {
    work = {io::t_inherited.spent_on(), io::t_inherited.ticks()};
  }
  Woken& entry = place_of(word);
  recording::take_back(entry.word, std::uintptr_t{0});
  store(entry.at, ticks());
  store(entry.ticks, work.ticks);
  entry.inherited = passes_on ? io::t_inherited : io::LastWait{};
  store(entry.spent_on, work.spent_on);
  __atomic_store_n(&entry.word, word, __ATOMIC_RELEASE);
}

void has_woken() {
  if (recording::ThreadSlot* slot = current_slot()) {
    io::begin_work(*slot);
  }
}

// Woken during this wait, by a thread that had itself waited for at least half as long; or by one
// that passes on what woke it, during this wait, too.
CallClass class_of(std::uintptr_t word, const Spent& spent, CallClass by_name) {
  const Woken& entry = place_of(word);
  const bool it_was = __atomic_load_n(&entry.word, __ATOMIC_ACQUIRE) == word &&
                      load(entry.at) >= spent.begin && load(entry.at) <= spent.end &&
                      load(entry.ticks) >= spent.ticks / 2 &&
                      (!entry.inherited.is_any() || entry.inherited.is_since(spent.begin));
  const CallClass spent_on = load(entry.spent_on);
  return it_was && spent_on != CallClass::kOther ? io::handed_on(spent_on, spent) : by_name;
}

}  // namespace lamprey::preload::hooks::woken
