// Which thread explains an end; see the header.
//
// A mutex says who holds it, and a join whose end it waits for. Nothing says which thread will end
// a wait for a condition or a semaphore, but who ended such waits before is known. So another
// thread is blamed only for what it has done about as long as the handler has waited, within the
// invocation: waiting for a host, a name, a child or a file, or computing; and who ended waits of
// the handler before for sleeping, too. Who waits for work in its pool (on a lock, a condition, an
// idle loop, or since before the invocation) never is.
#include "report/ledger/culprit.h"

#include <algorithm>

#include "report/model/order.h"

namespace lamprey::report {
namespace {

using recording::Call;
using recording::CallClass;

constexpr std::uint64_t kTolerance = 1'000'000;
// How sure it is, by what ties the thread to the one that waits for it.
constexpr std::uint8_t kSureOfHolder = 99;
constexpr std::uint8_t kSureOfWaker = 95;
constexpr std::uint8_t kSureOfOne = 90;
constexpr std::uint8_t kSureOfSleeper = 80;
constexpr std::uint8_t kSureOfSeveral = 60;

CallClass class_of(const Blocked& blocked) {
  return recording::kCallTable[static_cast<std::size_t>(blocked.call)].call_class;
}

bool is_loop(const Blocked& blocked) {
  return !blocked.on_cpu && recording::is_loop_wait(blocked.call);
}

bool has_an_answer_to_wait_for(const Blocked& blocked) {
  return blocked.awaited == Awaited::kAnswer || blocked.awaited == Awaited::kFirstBytes ||
         blocked.awaited == Awaited::kMore;
}

// A loop that waits for its timer, and for nobody that is known.
bool is_timer(const Blocked& blocked) {
  return is_loop(blocked) && blocked.timer_ns && blocked.awaited == Awaited::kUnknown &&
         blocked.target.empty();
}

// Whether only another thread, or nothing that is known, can end it.
bool leads_on(const Blocked& handler) {
  if (handler.on_cpu) {
    return false;
  }
  if (is_loop(handler)) {
    return handler.awaited == Awaited::kNothing ||
           (handler.awaited == Awaited::kUnknown && handler.target.empty());
  }
  return class_of(handler) == CallClass::kLock || handler.awaited == Awaited::kOwnThread;
}

std::uint64_t time_of(const Blocked& blocked) {
  return std::max({blocked.for_ns.value_or(0), blocked.unanswered_ns.value_or(0),
                   blocked.worked_ns.value_or(0)});
}

bool began_before(const Blocked& blocked, std::uint64_t span_ns) {
  return blocked.for_ns && *blocked.for_ns > span_ns + kTolerance;
}

// What this thread is in, or has mostly done, may be what the handler waits for.
bool may_be_waited_for(const Blocked& blocked, const Blocked& handler, std::uint64_t span_ns,
                       std::uint64_t window_ns) {
  // A loop may wait since before, and be told of a host meanwhile that was asked since.
  const bool now = blocked.on_cpu || !began_before(blocked, span_ns);
  if (window_ns != 0 && blocked.worked_ns.value_or(0) >= window_ns / 2 &&
      (now || has_an_answer_to_wait_for(blocked))) {
    return true;
  }
  if (blocked.on_cpu) {
    return false;  // it only happened to run when it was looked at
  }
  const CallClass kind = class_of(blocked);
  const bool works =
      has_an_answer_to_wait_for(blocked) || kind == CallClass::kDns || kind == CallClass::kChild ||
      (kind == CallClass::kFile && !blocked.target.empty() && blocked.awaited == Awaited::kUnknown);
  return works && now && blocked.for_ns && time_of(blocked) >= handler.for_ns.value_or(0) / 2;
}

// A thread that parks (Rust's tokio) waits for whoever turns the loop; where that one waits for its
// timer alone, so does the handler.
bool may_be_its_timer(const Blocked& blocked, const Blocked& handler, std::uint64_t span_ns) {
  return handler.call == Call::k_futex && is_timer(blocked) && !began_before(blocked, span_ns) &&
         time_of(blocked) >= handler.for_ns.value_or(0) / 2;
}

// The smaller, the nearer to the cause; below 0 the cause itself.
int distance(const Blocked& blocked, std::uint64_t span_ns) {
  if (blocked.sure_percent != 0) {
    return -1;
  }
  if (blocked.handler) {
    return 0;
  }
  if (blocked.on_cpu) {
    return 1;
  }
  const bool for_thread = (!blocked.main && class_of(blocked) == CallClass::kLock) ||
                          blocked.awaited == Awaited::kOwnThread;
  if (for_thread || began_before(blocked, span_ns)) {
    return 4;
  }
  return is_loop(blocked) ? 3 : 2;
}

// What ties a thread to the one that waits, the stronger the later.
enum class Tie : std::uint8_t {
  kNone,
  kItsTimer,
  kSleeps,  // and has ended waits of that one before
  kWorks,
  kWorksAndWoke,  // both
  kHolds,         // the mutex, or is joined
};

bool has_woken(const Blocked& waiting, const Blocked& other) {
  return std::find(waiting.woken_by.begin(), waiting.woken_by.end(), other.tid) !=
         waiting.woken_by.end();
}

bool is_join(const Blocked& blocked) {
  return !blocked.on_cpu && blocked.call == Call::k_pthread_join;
}

// In one call for about as long: a lock may have another holder since.
bool as_long(const Blocked& blocked, const Blocked& waiting) {
  return !blocked.on_cpu && blocked.for_ns && time_of(blocked) >= waiting.for_ns.value_or(0) / 2;
}

Tie tie_of(const Blocked& other, const Blocked& waiting, std::uint64_t span_ns,
           std::uint64_t window_ns) {
  const bool works = may_be_waited_for(other, waiting, span_ns, window_ns);
  if (waiting.holder != 0) {
    const bool holds = works || (as_long(other, waiting) && (is_join(waiting) || leads_on(other)));
    return holds && other.tid == waiting.holder ? Tie::kHolds : Tie::kNone;
  }
  const bool woke = has_woken(waiting, other);
  if (works) {
    return woke ? Tie::kWorksAndWoke : Tie::kWorks;
  }
  if (woke && class_of(other) == CallClass::kSleep && !began_before(other, span_ns) &&
      as_long(other, waiting)) {
    return Tie::kSleeps;
  }
  return may_be_its_timer(other, waiting, span_ns) ? Tie::kItsTimer : Tie::kNone;
}

std::uint8_t sure_of(Tie tie, std::size_t candidates) {
  return tie == Tie::kHolds          ? kSureOfHolder
         : candidates > 1            ? kSureOfSeveral
         : tie == Tie::kWorksAndWoke ? kSureOfWaker
         : tie == Tie::kSleeps       ? kSureOfSleeper
                                     : kSureOfOne;
}

struct Followed {
  std::size_t index = 0;
  std::uint8_t sure_percent = 0;  // 0: nobody was found
};

// The strongest tie counts; of equals who has done so for longest.
Followed follow(const std::vector<Blocked>& blocked, const Blocked& waiting, std::uint64_t span_ns,
                std::uint64_t window_ns) {
  Followed found;
  std::size_t candidates = 0;
  Tie strongest = Tie::kNone;
  for (std::size_t i = 0; i < blocked.size(); ++i) {
    const Blocked& other = blocked[i];
    const Tie tie = other.handler || &other == &waiting
                        ? Tie::kNone
                        : tie_of(other, waiting, span_ns, window_ns);
    if (tie == Tie::kNone || tie < strongest) {
      continue;
    }
    candidates = tie == strongest ? candidates + 1 : 1;
    if (candidates == 1 || time_of(other) > time_of(blocked[found.index])) {
      found.index = i;
    }
    strongest = tie;
  }
  found.sure_percent = strongest == Tie::kNone ? std::uint8_t{0} : sure_of(strongest, candidates);
  return found;
}

// From thread to thread, until one does not wait for another; as sure as the weakest tie. Locks
// that lead to no such thread are the explanation themselves.
Followed follow_all(const std::vector<Blocked>& blocked, const Blocked& handler,
                    std::uint64_t span_ns, std::uint64_t window_ns) {
  Followed last;
  std::uint8_t sure_percent = kSureOfHolder;
  const Blocked* waiting = &handler;
  for (std::size_t steps = 0; steps < blocked.size() && leads_on(*waiting); ++steps) {
    const Followed next = follow(blocked, *waiting, span_ns, window_ns);
    if (next.sure_percent == 0) {
      break;
    }
    sure_percent = std::min(sure_percent, next.sure_percent);
    if (is_join(*waiting) || waiting->holder == 0 || !leads_on(blocked[next.index])) {
      last = {next.index, sure_percent};
    }
    waiting = &blocked[next.index];
  }
  return last;
}

}  // namespace

void put_culprit_first(std::vector<Blocked>& blocked, std::uint64_t span_ns,
                       std::uint64_t window_ns) {
  const auto handler = std::find_if(blocked.begin(), blocked.end(),
                                    [](const Blocked& each) { return each.handler; });
  if (handler != blocked.end() && leads_on(*handler)) {
    const Followed found = follow_all(blocked, *handler, span_ns, window_ns);
    handler->held_up = found.sure_percent != 0;
    blocked[found.index].sure_percent = found.sure_percent;
  }
  put_in_order(blocked, [span_ns](const Blocked& a, const Blocked& b) {
    const int near = distance(a, span_ns);
    const int far = distance(b, span_ns);
    return near != far ? near < far : a.for_ns > b.for_ns;
  });
}

// Of what waited for the culprit, at most the time that the culprit took.
void charge_to_culprit(WallFigures& wall, const std::vector<Blocked>& blocked) {
  if (!blocked.empty() && blocked.front().handler && is_timer(blocked.front())) {
    const std::uint64_t slept = std::min(wall.other_ns, time_of(blocked.front()));
    wall.other_ns -= slept;
    wall.sleep_ns += slept;
    return;
  }
  const auto handler = std::find_if(blocked.begin(), blocked.end(),
                                    [](const Blocked& other) { return other.held_up; });
  if (handler == blocked.end()) {
    return;
  }
  const Blocked& culprit = blocked.front();
  std::uint64_t& from = class_of(*handler) == CallClass::kLock ? wall.lock_ns : wall.other_ns;
  const std::uint64_t moved = std::min(from, time_of(culprit));
  from -= moved;
  const CallClass kind =
      culprit.awaited == Awaited::kUnknown ? class_of(culprit) : CallClass::kNetwork;
  if (culprit.on_cpu) {
    wall.cpu_ns = wall.cpu_ns.value_or(0) + moved;
  } else if (is_timer(culprit) || kind == CallClass::kSleep) {
    wall.sleep_ns += moved;
  } else if (kind == CallClass::kLock) {
    wall.lock_ns += moved;
  } else if (kind == CallClass::kDns) {
    wall.dns_ns += moved;
  } else if (kind == CallClass::kChild) {
    wall.child_ns += moved;
  } else if (kind == CallClass::kFile) {
    wall.file_ns += moved;
  } else {
    wall.network_ns += moved;
  }
}

}  // namespace lamprey::report
