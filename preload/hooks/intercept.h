// The one way in which a hooked system-call wrapper behaves: note that the call is under way, take
// the time, call the real function, take the time, count. Every row of symbols.def is an instance.
//
// Rules that keep the host whole:
//   * The real function is called exactly once with exactly the caller's arguments, and its result
//     is returned as it is. errno is neither read into nor written: nothing here changes it.
//   * No object with a destructor lives across the real call. It is a cancellation point: a forced
//     unwind, an exception of a callback, or a longjmp may leave through us, and a landing pad
//     would need a personality routine, hence libgcc_s or libstdc++ in somebody's process. The
//     price: the in-flight record of such a call stays behind. It is recognised by its stack
//     pointer (a frame that the thread has already left) and overwritten by the next call.
//   * A signal handler may interrupt anywhere and call hooked functions: the in-flight record of
//     the interrupted call is put back when the handler's call returns.
#pragma once

#include <cerrno>

#include "preload/base/ticks.h"
#include "preload/base/tripwire.h"
#include "preload/hooks/policies.h"
#include "preload/hooks/timeline.h"
#include "preload/hooks/wakers.h"
#include "preload/io/awaited.h"
#include "preload/libc/real.h"
#include "preload/process/thread.h"
#include "preload/stack/stacks.h"

namespace lamprey::preload::hooks {

using recording::Call;
using recording::CallClass;

// The in-flight record of the calling thread, and what it held before.
struct Entry {
  recording::ThreadSlot* slot;
  recording::InFlight outer;
};

// kSame keeps the descriptor of the thread's call before. poll() of one descriptor is nearly always
// about that one, and its argument must not be read before the kernel has accepted it.
inline constexpr int kSame = -2;

// The stack of a call that may block, 0 for others; taken before the clock is read. A plain read()
// may block where it reads from a connection or a pipe.
template <Call kCall>
inline std::uint32_t stack_before(int descriptor) {
  if constexpr (recording::may_block(kCall)) {
    return stack::capture();
  } else if constexpr (kCall == Call::k_read || kCall == Call::k_readv) {
    return io::may_wait(descriptor) ? stack::capture() : 0;
  } else {
    return 0;
  }
}

[[gnu::always_inline]] inline Entry enter_call(Call call, int descriptor, std::uint64_t now,
                                               std::uint32_t stack = 0) {
  Entry entry = {current_slot(), {}};
  if (entry.slot != nullptr) [[likely]] {
    recording::InFlight& flight = entry.slot->in_flight;
    const auto frame = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    if (recording::load(flight.call) != 0) [[unlikely]] {
      entry.outer = flight;
      if (entry.outer.stack_pointer < frame) {
        entry.outer.call = 0;  // that frame is gone: longjmp or unwinding left it
      }
    }
    recording::store(flight.call, 0);  // a reader never sees the new call with the old moment
    recording::store(flight.started, now);
    recording::store(flight.stack_pointer, frame);
    if (descriptor != kSame) {
      recording::store(flight.descriptor, descriptor);
    }
    recording::store(flight.stack, stack);
    __atomic_store_n(&flight.call, static_cast<std::uint32_t>(call) + 1, __ATOMIC_RELEASE);
  }
  return entry;
}

[[gnu::always_inline]] inline void leave_call(const Entry& entry) {
  if (entry.slot != nullptr) [[likely]] {
    if (entry.outer.call != 0) [[unlikely]] {
      entry.slot->in_flight = entry.outer;
    } else {
      recording::store(entry.slot->in_flight.call, 0);
    }
  }
}

// What a call took goes to its target and its row, and, unless it was made inside an `outer` one
// (by a signal handler, or a callback), to the account of the thread's time. Returns what that was.
template <class Policy, class R>
[[gnu::always_inline]] inline CallClass account_call(recording::ThreadSlot* slot,
                                                     const std::uint32_t& outer, Call call,
                                                     const Policy& policy, R result, Spent& spent) {
  if constexpr (requires { policy.holder(); }) {  // no descriptor for kSame
    if (outer == 0 && slot != nullptr) {
      recording::store(slot->in_flight.descriptor, -1);
    }
  }
  spent.bytes = spent.failed ? 0 : policy.after(result);
  const CallClass by_name = recording::kCallTable[static_cast<std::uint32_t>(call)].call_class;
  const CallClass spent_on = policy.account(by_name, spent, result);
  if (outer == 0) [[likely]] {
    recording::Writer::charge(slot, spent_on, spent.ticks);
  }
  g_writer.count_call(slot, call, spent.ticks, spent.failed, spent.bytes);
  if (spent.failed) [[unlikely]] {
    g_writer.count_error(call, policy.reason(result));
  }
  return spent_on;
}

// The same of a call that took long: idle time may be in it, and it may belong in the timeline. (By
// value: references would keep the caller's copies in memory on the fast path too.)
template <class Policy, class R>
[[gnu::noinline, gnu::cold]] void count_long(recording::ThreadSlot* slot, std::uint32_t outer,
                                             Call call, Policy policy, R result,
                                             std::uint64_t begin, std::uint64_t end) {
  Spent spent = {g_writer.busy_between(begin, end),  begin, end, 0, policy.failed(result),
                 io::awaited_on(policy.descriptor())};
  const CallClass spent_on = account_call(slot, outer, call, policy, result, spent);
  if (outer == 0 && slot != nullptr) {
    wakers::note_wait(*slot, spent_on, spent);
    timeline::note(*slot, call, spent_on, spent);
  }
}

// After the real call, where that is made often.
template <class Policy, class R>
[[gnu::always_inline]] inline void count_inline(const Entry& entry, Call call, const Policy& policy,
                                                R result, std::uint64_t begin) {
  const std::uint64_t end = ticks();
  leave_call(entry);
  if (end - begin >= recording::kLongCallTicks) [[unlikely]] {  // or the clock went back
    count_long(entry.slot, entry.outer.call, call, policy, result, begin, end);
    return;
  }
  Spent spent = {end - begin, begin, end, 0, policy.failed(result), 0};
  account_call(entry.slot, entry.outer.call, call, policy, result, spent);
}

// The same, one copy for all calls of a policy, however long they took.
template <class Policy, class R>
[[gnu::noinline]] void count_result(const Entry& entry, Call call, const Policy& policy, R result,
                                    std::uint64_t begin) {
  const std::uint64_t end = ticks();
  leave_call(entry);
  Spent spent = {g_writer.busy_between(begin, end), begin, end, 0, policy.failed(result), 0};
  const CallClass spent_on =
      account_call(entry.slot, entry.outer.call, call, policy, result, spent);
  if (spent.ticks >= recording::kLongCallTicks && entry.outer.call == 0 && entry.slot != nullptr)
      [[unlikely]] {
    spent.awaited = spent.awaited != 0 ? spent.awaited : io::awaited_on(policy.descriptor());
    wakers::note_wait(*entry.slot, spent_on, spent);
    timeline::note(*entry.slot, call, spent_on, spent);
  }
}

template <class Policy>
[[gnu::always_inline]] inline Entry begin_call(Call call, const Policy& policy, std::uint64_t begin,
                                               std::uint32_t stack) {
  int descriptor = policy.descriptor();
  if constexpr (requires { policy.holder(); }) {
    descriptor = policy.holder();
  }
  const Entry entry = enter_call(call, descriptor, begin, stack);
  if constexpr (requires { policy.subject(); }) {
    if (entry.slot != nullptr) {
      recording::store(entry.slot->in_flight.subject, policy.subject());
    }
  }
  return entry;
}

// `real_function` is the entry of g_real for `symbol`.
template <Call kCall, class Policy, class Function, class... Arguments>
[[gnu::always_inline]] inline auto intercept(const char* symbol, Function& real_function,
                                             const Policy& policy, Arguments... arguments) {
  using R = decltype(real_function(arguments...));
  tripwire::check(symbol);
  if (!available(real_function, symbol)) [[unlikely]] {  // not in this libc
    errno = ENOSYS;
    return Policy::template missing<R>();
  }
  if (!recording_here()) [[unlikely]] {
    return real_function(arguments...);
  }
  tripwire::enter();
  policy.before();
  const std::uint32_t stack = stack_before<kCall>(policy.descriptor());
  const std::uint64_t begin = ticks();
  const Entry entry = begin_call(kCall, policy, begin, stack);
  tripwire::leave();

  const R result = real_function(arguments...);

  tripwire::enter();
  if constexpr (Policy::kOften) {
    count_inline(entry, kCall, policy, result, begin);
  } else {
    count_result(entry, kCall, policy, result, begin);
  }
  tripwire::leave();
  return result;
}

}  // namespace lamprey::preload::hooks
