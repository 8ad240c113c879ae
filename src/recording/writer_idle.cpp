// Idle time: when nothing runs, and how much of a call's time that was. All of it lives here.
//
// Header::activity is the one word that says it: the number of the newest idle interval, and how
// many invocations run. It changes by compare-and-swap only. Compiled for general registers only,
// since exact mode's gate calls it (writer_kernel.cpp).
#include "recording/writer.h"

namespace lamprey::recording {

// Prepares the entry of the interval with that number, before Header::activity names it.
void Writer::begin_idle(std::uint64_t interval, std::uint64_t now) {
  store(idle_[interval % kIdleIntervals].begin, now);
  store(idle_[interval % kIdleIntervals].end, 0);
  store(header().idle_since, now);
}

// Whoever starts first ends the interval, before anybody can see that something runs.
void Writer::count_started(std::uint64_t now) {
  std::uint64_t seen = load(header().activity);
  do {
    if (is_idle(seen)) {
      exchange_if(idle_[idle_interval_of(seen) % kIdleIntervals].end, 0, now);
    }
  } while (!__atomic_compare_exchange_n(&header().activity, &seen, seen + 1, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
}

void Writer::count_ended(std::uint64_t now) {
  std::uint64_t seen = load(header().activity);
  std::uint64_t then = 0;
  do {
    then = seen - 1;
    if (running_in(seen) == 1) {  // no other can end now; a concurrent START is seen below
      then += kIdleInterval;
      begin_idle(idle_interval_of(then), now);
    }
  } while (!__atomic_compare_exchange_n(&header().activity, &seen, then, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED));
}

// One place of the ring is left out: the next interval may be about to be written there.
std::uint64_t Writer::idle_between(std::uint64_t from, std::uint64_t to) const {
  std::uint64_t idle = 0;
  const std::uint64_t newest =
      idle_interval_of(__atomic_load_n(&header().activity, __ATOMIC_ACQUIRE));
  for (std::uint64_t back = 0; back < newest && back < kIdleIntervals - 1; ++back) {
    const Interval& interval = idle_[(newest - back) % kIdleIntervals];
    const std::uint64_t begin = load(interval.begin);
    const std::uint64_t end = load(interval.end);
    if (end != 0 && end <= from) {
      break;
    }
    const std::uint64_t low = begin > from ? begin : from;
    const std::uint64_t high = end != 0 && end < to ? end : to;
    idle += high > low ? high - low : 0;
  }
  const std::uint64_t all = to > from ? to - from : 0;
  return idle < all ? idle : all;
}

}  // namespace lamprey::recording
