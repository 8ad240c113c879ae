// Marks of the life cycle: the end of init, START, RESPONSE, END, restore. They happen a few times
// an invocation, in the thread that talks to the Runtime API.
#include "recording/writer.h"

namespace lamprey::recording {
namespace {

// memset/strncpy are calls into libc that nothing here needs.
template <std::size_t N>
void copy_text(char (&to)[N], const char* from) {
  std::size_t i = 0;
  for (; from != nullptr && from[i] != '\0' && i + 1 < N; ++i) {
    to[i] = from[i];
  }
  to[i] = '\0';
}

bool same_text(const char* a, const char* b) {
  while (*a != '\0' && *a == *b) {
    ++a;
    ++b;
  }
  return *a == *b;
}

void store_pair(ClockPair& to, ClockPair now) {
  store(to.mono_ns, now.mono_ns);
  __atomic_store_n(&to.ticks, now.ticks, __ATOMIC_RELEASE);
}

// Takes `entry` for a new invocation. True when the one in it still runs: since then as many others
// have started as the ring has room for, and nothing more is recorded of it.
bool take_over(Invocation& entry) {
  InvocationState empty = InvocationState::kEmpty;
  InvocationState before = empty;
  __atomic_exchange(&entry.state, &empty, &before, __ATOMIC_ACQ_REL);
  changes_follow();
  return before == InvocationState::kStarted || before == InvocationState::kResponded;
}

}  // namespace

// Two workers may ask for their first work at the same instant.
bool Writer::mark_init_end(ClockPair now, const ResourceUse& use) {
  if (!exchange_if(header().init_end.mono_ns, 0, now.mono_ns)) {
    return false;
  }
  begin_idle(1, now.ticks);
  exchange_if(header().activity, 0, kIdleInterval);
  write_boundary(0, now, use);
  store_pair(header().init_end, now);
  __atomic_fetch_add(&header().wake, 1U, __ATOMIC_RELEASE);
  return true;
}

void Writer::mark_restored(ClockPair now) { store_pair(header().restored, now); }

std::uint64_t Writer::mark_start(const RequestFacts& facts, const ThreadSlot* slot,
                                 std::int32_t tid, ClockPair now, std::uint64_t real_ns,
                                 CpuOf cpu_of) {
  // Concurrent workers (Managed Instances) may start together: each takes a number of its own.
  const std::uint64_t sequence = __atomic_add_fetch(&header().started, 1U, __ATOMIC_ACQ_REL);
  Invocation& entry = invocation_at(sequence);
  const bool overrun = take_over(entry);
  entry.flags = 0;
  entry.slot = slot == nullptr ? 0 : static_cast<std::uint32_t>(slot - &slot_at(0));
  store(entry.tid, tid);
  entry.deadline_ms = facts.deadline_ms;
  entry.started = now;
  entry.started_real_ns = real_ns;
  entry.responded = {};
  entry.ended = {};
  entry.response_bytes = 0;
  entry.response_status = 0;
  entry.live_at_start = live_bytes();
  copy_text(entry.request_id, facts.request_id);
  copy_text(entry.trace_id, facts.trace_id);
  copy_text(entry.function_arn, facts.function_arn);
  store(entry.sequence, sequence);
  restart_peak();
  restart_samples();
  restart_longest();
  restart_timeline(sequence);
  store(header().last_program_stack, 0U);
  if (overrun) {
    shared_add(header().ended, 1);  // the one that was overrun: this one takes its place
  } else {
    count_started(now.ticks);
  }
  open_accounts(entry, now.ticks, cpu_of);
  recording::publish(entry.state, InvocationState::kStarted);
  return sequence;
}

std::uint64_t Writer::mark_response(const char* request_id, bool error, ClockPair now) {
  const std::uint64_t newest = load(header().started);
  for (std::uint64_t back = 0; back < kInvocations && back < newest; ++back) {
    Invocation& entry = invocation_at(newest - back);
    if (load(entry.state) == InvocationState::kStarted && same_text(entry.request_id, request_id)) {
      entry.flags |= error ? kInvocationError : 0;
      entry.responded = now;
      const std::uint64_t sequence = load(entry.sequence);
      return exchange_if(entry.state, InvocationState::kStarted, InvocationState::kResponded)
                 ? sequence
                 : 0;
    }
  }
  return 0;
}

void Writer::mark_answer(std::uint64_t sequence, std::uint64_t bytes) {
  Invocation& entry = invocation_at(sequence);
  if (load(entry.sequence) == sequence) {
    store(entry.response_bytes, bytes);
  }
}

// An answer that is not accepted (413: it is too large) has failed the invocation.
void Writer::mark_answer_status(std::uint64_t sequence, std::uint32_t status) {
  Invocation& entry = invocation_at(sequence);
  if (load(entry.sequence) == sequence) {
    store(entry.response_status, status);
    if (status >= 400) {
      entry.flags |= kInvocationError;
    }
  }
}

// Which invocation a request for more work ends: the one that came in on the same connection; else
// (a connection per call: Ruby) the oldest that has been answered; else one that the same thread
// took. A worker's very first request ends nobody else's invocation. Where several run at a time,
// it ends none that has not been answered (AWS's Node.js client asks at once).
Invocation* Writer::open_invocation(std::uint64_t preferred, std::int32_t tid) const {
  const std::uint64_t newest = load(header().started);
  const bool concurrent = is_concurrent(header());
  if (preferred != 0 && preferred <= newest && newest - preferred < kInvocations) {
    Invocation& entry = invocation_at(preferred);
    const InvocationState state = load(entry.state);
    const bool waits = state == InvocationState::kStarted;
    const bool is_it = load(entry.sequence) == preferred;
    if (is_it && concurrent && waits) {
      entry.flags |= kInvocationHandedOn;
    } else if (is_it && (waits || state == InvocationState::kResponded)) {
      return &entry;
    }
  }
  if (concurrent) {
    return nullptr;
  }
  Invocation* answered = nullptr;
  Invocation* open = nullptr;
  for (std::uint64_t back = 0; back < kInvocations && back < newest; ++back) {
    Invocation& entry = invocation_at(newest - back);
    const InvocationState state = load(entry.state);
    if (state == InvocationState::kResponded) {
      answered = &entry;
    } else if (state == InvocationState::kStarted && load(entry.tid) == tid) {
      open = &entry;
    }
  }
  return answered != nullptr ? answered : open;
}

// Only one thread may end an invocation, even if two ask for more work at once; and none may once
// its entry has been taken for another.
bool Writer::claim_end(Invocation& entry) {
  return exchange_if(entry.state, InvocationState::kStarted, InvocationState::kEnding) ||
         exchange_if(entry.state, InvocationState::kResponded, InvocationState::kEnding);
}

bool Writer::mark_end(std::uint64_t preferred, std::int32_t tid, ClockPair now,
                      const ResourceUse& use, CpuOf cpu_of) {
  Invocation* entry = open_invocation(preferred, tid);
  if (entry == nullptr || !claim_end(*entry)) {
    return false;
  }
  for (ThreadAccount& account : entry->accounts) {
    account.ended = moment_of(account, now.ticks, cpu_of);
  }
  write_boundary(load(entry->sequence), now, use);
  if (Trail* trail = this->trail(); trail != nullptr && (entry->flags & kInvocationError) != 0) {
    shared_add(trail->errors, 1);
  }
  entry->ended = now;
  exchange_if(entry->state, InvocationState::kEnding, InvocationState::kEnded);
  __atomic_fetch_add(&header().ended, 1U, __ATOMIC_RELEASE);
  count_ended(now.ticks);
  __atomic_fetch_add(&header().wake, 1U, __ATOMIC_RELEASE);
  return true;
}

}  // namespace lamprey::recording
