// Accounts of the time of the threads that handle an invocation.
#include "recording/writer.h"

namespace lamprey::recording {

// The class of the call in flight, if it returned now. For a wait, nobody knows yet what ends it.
CallClass Writer::class_in_flight(const InFlight& flight) const {
  const CallClass by_name = kCallTable[flight.call - 1].call_class;
  const auto fd = static_cast<std::uint32_t>(flight.descriptor);
  const bool on_descriptor = by_name == CallClass::kFile || by_name == CallClass::kNetwork;
  if (!on_descriptor || fd >= kDescriptors) {
    return by_name;
  }
  const Descriptor& entry = descriptor(static_cast<int>(fd));
  const bool runtime_api =
      entry.kind == DescriptorKind::kHost && entry.target != 0 &&
      (target_at((entry.target - 1U) % kTargets).flags & kTargetRuntimeApi) != 0;
  return runtime_api ? CallClass::kOther : class_of(entry.kind, by_name);
}

ThreadMoment Writer::moment_of(const ThreadAccount& account, std::uint64_t now,
                               CpuOf cpu_of) const {
  ThreadMoment moment = {};
  if (account.tid == 0) {
    return moment;
  }
  moment.cpu_ns = cpu_of != nullptr ? cpu_of(account.tid) : 0;
  const ThreadSlot& slot = slot_at(account.slot);
  for (std::uint32_t i = 0; i < kCallClasses; ++i) {
    moment.class_ticks[i] = load(slot.class_ticks[i]);
  }
  const InFlight flight = slot.in_flight;
  if (flight.call != 0 && flight.call <= kCallCount) {
    moment.class_ticks[static_cast<std::uint32_t>(class_in_flight(flight))] +=
        busy_between(flight.started, now);
  }
  return moment;
}

void Writer::open_accounts(Invocation& entry, std::uint64_t now, CpuOf cpu_of) const {
  const std::int32_t first_tid = header().pid;
  entry.accounts[0] = {entry.slot != 0 ? entry.tid : 0, entry.slot, {}, {}};
  // The constructor ran in the process's first thread, so that one has the first slot. Where
  // several invocations run at a time, that thread has a request of its own, or none.
  const bool other =
      entry.tid != first_tid && load(slot_at(1).tid) == first_tid && !is_concurrent(header());
  entry.accounts[1] = {other ? first_tid : 0, other ? 1U : 0U, {}, {}};
  for (ThreadAccount& account : entry.accounts) {
    account.started = moment_of(account, now, cpu_of);
  }
}

}  // namespace lamprey::recording
