// Life-cycle marks (init end, START, RESPONSE, END, restore) and the totals written at boundaries.
// They happen a few times an invocation, in the thread that talks to the Runtime API.
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

// The ring has come round to `entry`. True when the invocation in it runs yet: as many others have
// started since as there is room for, and what it does from now on is told no more.
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
  entry.tid = tid;
  entry.deadline_ms = facts.deadline_ms;
  entry.started = now;
  entry.started_real_ns = real_ns;
  entry.responded = {};
  entry.ended = {};
  entry.live_at_start = live_bytes();
  copy_text(entry.request_id, facts.request_id);
  copy_text(entry.trace_id, facts.trace_id);
  copy_text(entry.function_arn, facts.function_arn);
  store(entry.sequence, sequence);
  restart_peak();
  restart_samples();
  if (overrun) {
    shared_add(header().ended, 1);  // for good: this one runs in its stead
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

// Which invocation a request for more work ends: the one that came in on the same connection;
// else (a connection per call: Ruby) the oldest that has been answered; else one that the same
// thread took. A worker's very first request ends nobody else's invocation. Where several run at a
// time it says nothing of those that are not answered (AWS's Node.js client asks at once).
Invocation* Writer::open_invocation(std::uint64_t preferred, std::int32_t tid) const {
  const std::uint64_t newest = load(header().started);
  const bool concurrent = is_concurrent(header());
  if (preferred != 0 && preferred <= newest && newest - preferred < kInvocations) {
    Invocation& entry = invocation_at(preferred);
    const bool waits = entry.state == InvocationState::kStarted;
    if (entry.sequence == preferred && concurrent && waits) {
      entry.flags |= kInvocationHandedOn;
    } else if (entry.sequence == preferred &&
               (waits || entry.state == InvocationState::kResponded)) {
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
    if (entry.state == InvocationState::kResponded) {
      answered = &entry;
    } else if (entry.state == InvocationState::kStarted && entry.tid == tid) {
      open = &entry;
    }
  }
  return answered != nullptr ? answered : open;
}

// One thread ends an invocation: not two that ask for more work at once, nor one whose entry has
// just been taken for another.
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
  write_boundary(entry->sequence, now, use);
  entry->ended = now;
  exchange_if(entry->state, InvocationState::kEnding, InvocationState::kEnded);
  __atomic_fetch_add(&header().ended, 1U, __ATOMIC_RELEASE);
  count_ended(now.ticks);
  __atomic_fetch_add(&header().wake, 1U, __ATOMIC_RELEASE);
  return true;
}

// -- idle time ------------------------------------------------------------------------------------

// Makes ready what the interval with that number will be known by, before Header::activity names
// it.
void Writer::begin_idle(std::uint64_t interval, std::uint64_t now) {
  store(idle_[interval % kIdleIntervals].begin, now);
  store(idle_[interval % kIdleIntervals].end, 0);
  store(header().idle_since, now);
}

// The interval ends with whoever starts first, and before anybody can see that something runs.
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
    if (running_in(seen) == 1) {  // no other can end now, and a START beside it is seen below
      then += kIdleInterval;
      begin_idle(idle_interval_of(then), now);
    }
  } while (!__atomic_compare_exchange_n(&header().activity, &seen, then, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED));
}

// -- samples ------------------------------------------------------------------------------------

void Writer::restart_samples() {
  store(header().samples_this_round, 0);
  const std::uint64_t asked = load(header().sample_bytes);
  const std::uint64_t half = load(header().sample_now) / 2;
  store(header().sample_now, half > asked ? half : asked);
  store(header().peak_sampled, load(header().sampled_live));
}

// -- totals ---------------------------------------------------------------------------------------

void Writer::restart_peak() {
  std::int64_t live = load(header().live_published);
  const std::uint32_t used = slots_used();
  for (std::uint32_t i = 1; i < used; ++i) {
    ThreadSlot& slot = slot_at(i);
    const std::int64_t now = load(slot.memory.live_bytes);
    live += now - load(slot.published);
    store(slot.peak, now);  // its owner may be raising it: then at most kPublishStep is off
  }
  store(header().peak_live, live);
}

std::int64_t Writer::peak_live() const {
  const std::int64_t published = load(header().live_published);
  std::int64_t peak = load(header().peak_live);
  const std::uint32_t used = slots_used();
  for (std::uint32_t i = 1; i < used; ++i) {
    const ThreadSlot& slot = slot_at(i);
    const std::int64_t candidate = published + load(slot.peak) - load(slot.published);
    peak = candidate > peak ? candidate : peak;
  }
  return peak;
}

void Writer::write_boundary(std::uint64_t sequence, ClockPair now, const ResourceUse& use) {
  if (__atomic_test_and_set(&boundary_busy_, __ATOMIC_ACQUIRE)) {
    shared_add(header().boundaries_missed, 1);
    return;
  }
  Boundary& boundary = boundary_at(sequence);
  store(boundary.sequence_end, 0);
  store(boundary.sequence_begin, sequence + 1);
  changes_follow();
  boundary.at = now;
  boundary.use = use;
  sum_memory(boundary.memory);
  const MappingTotals& mappings = header().mappings;
  boundary.mappings = {load(mappings.maps),
                       load(mappings.mapped_bytes),
                       load(mappings.unmaps),
                       load(mappings.unmapped_bytes),
                       load(mappings.remaps),
                       load(mappings.failed),
                       load(mappings.discarded_bytes),
                       load(mappings.break_bytes)};
  boundary.peak_live_bytes = peak_live();
  sum_calls(boundary);
  sum_in_flight(boundary, now);
  boundary.calls_used = places_used_;
  sum_targets(boundary);
  write_kernel_boundary(sequence);
  __atomic_store_n(&boundary.sequence_end, sequence + 1, __ATOMIC_RELEASE);
  __atomic_store_n(&header().boundary_sequence, sequence + 1, __ATOMIC_RELEASE);
  __atomic_clear(&boundary_busy_, __ATOMIC_RELEASE);
}

void Writer::write_kernel_boundary(std::uint64_t sequence) const {
  Kernel* kernel = this->kernel();
  if (kernel == nullptr) {
    return;
  }
  KernelBoundary& boundary = kernel->boundaries[sequence % kKernelBoundaries];
  store(boundary.sequence_end, 0);
  store(boundary.sequence_begin, sequence + 1);
  changes_follow();
  const std::uint32_t used = load(kernel->rows_used);
  boundary.rows_used = used < kKernelRows ? used : kKernelRows;
  for (std::uint32_t i = 0; i < boundary.rows_used; ++i) {
    KernelRow& row = kernel->rows[i];
    KernelRow& into = boundary.rows[i];
    into.number = load(row.number);
    into.totals.calls = load(row.totals.calls);
    into.totals.errors = load(row.totals.errors);
    into.totals.bytes = load(row.totals.bytes);
    into.totals.ticks = load(row.totals.ticks);
    into.totals.max_ticks = __atomic_exchange_n(&row.totals.max_ticks, 0, __ATOMIC_RELAXED);
    for (std::uint32_t b = 0; b < kBuckets; ++b) {
      into.totals.buckets[b] = load(row.totals.buckets[b]);
    }
  }
  __atomic_store_n(&boundary.sequence_end, sequence + 1, __ATOMIC_RELEASE);
}

void Writer::sum_memory(MemoryTotals& into) const {
  MemoryTotals sum = {};
  const std::uint32_t used = slots_used();
  for (std::uint32_t i = 0; i < used; ++i) {
    const MemoryTotals& memory = slot_at(i).memory;
    sum.allocations += load(memory.allocations);
    sum.frees += load(memory.frees);
    sum.reallocations += load(memory.reallocations);
    sum.allocated_bytes += load(memory.allocated_bytes);
    sum.freed_bytes += load(memory.freed_bytes);
    sum.failed += load(memory.failed);
    sum.live_bytes += load(memory.live_bytes);
  }
  into = sum;
}

// A call keeps its place once it was made: what is not in use is never touched.
CallTotals& Writer::totals_in(Boundary& boundary, std::uint32_t call) {
  if (place_of_[call] == 0) {
    place_of_[call] = static_cast<std::uint16_t>(++places_used_);
    boundary.calls[places_used_ - 1] = {};
  }
  BoundaryCall& place = boundary.calls[place_of_[call] - 1U];
  place.call = call;
  return place.totals;
}

void Writer::sum_calls(Boundary& boundary) {
  for (std::uint32_t place = 0; place < places_used_; ++place) {
    boundary.calls[place] = {};
  }
  std::uint32_t used = load(header().rows_used);
  used = used < kCallRows ? used : kCallRows;
  for (std::uint32_t i = 0; i < used; ++i) {
    CallRow& row = row_at(i);
    const std::uint32_t call = i < kCallCount ? i : row.call;
    if (load(row.totals.calls) == 0 || call >= kCallCount) {
      continue;
    }
    CallTotals& into = totals_in(boundary, call);
    into.calls += load(row.totals.calls);
    into.errors += load(row.totals.errors);
    into.bytes += load(row.totals.bytes);
    into.ticks += load(row.totals.ticks);
    const std::uint64_t max = load(row.totals.max_ticks);
    into.max_ticks = max > into.max_ticks ? max : into.max_ticks;
    store(row.totals.max_ticks, 0);  // the maximum is an invocation's own
    for (std::uint32_t b = 0; b < kBuckets; ++b) {
      into.buckets[b] += row.totals.buckets[b];
    }
  }
}

// A call that is still in flight has taken time, and none of it is in its row yet. Adding it here
// gives each invocation the part that fell into it: when the call returns, its whole time enters
// the row and this part drops out of the next boundary.
void Writer::sum_in_flight(Boundary& boundary, ClockPair now) {
  const std::uint32_t used = slots_used();
  for (std::uint32_t i = 1; i < used; ++i) {
    const InFlight& flight = slot_at(i).in_flight;
    const std::uint32_t call = load(flight.call);
    if (call != 0 && call <= kCallCount) {
      totals_in(boundary, call - 1).ticks += busy_between(load(flight.started), now.ticks);
    }
  }
}

}  // namespace lamprey::recording
