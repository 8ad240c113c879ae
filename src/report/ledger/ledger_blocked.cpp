// Ledger: what each thread was in when an invocation ended before its time, the one that matters
// first.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "report/delta/stacks.h"
#include "report/ledger/ledger.h"
#include "report/model/order.h"

namespace lamprey::report {
namespace {

using recording::Call;

// Waits of an event loop: only its connections tell what it waits for.
bool is_loop_wait(Call call) {
  constexpr std::array kWaits = {Call::k_epoll_wait, Call::k_epoll_pwait, Call::k_epoll_pwait2,
                                 Call::k_poll,       Call::k_ppoll,       Call::k_select,
                                 Call::k_pselect};
  return std::find(kWaits.begin(), kWaits.end(), call) != kWaits.end();
}

// How far a thread is from the cause: the smaller, the nearer. A thread that has waited since
// before the invocation began is an idle one of a pool. So is one that waits for another thread,
// except the main thread and the handler's. The handler's thread comes first, unless it runs an
// event loop that waits for another thread's work (getaddrinfo in Node's pool).
int distance(const Blocked& blocked, std::uint64_t invocation_ns) {
  constexpr std::uint64_t kTolerance = 1'000'000;
  const bool for_thread =
      !blocked.on_cpu && !blocked.main &&
      recording::kCallTable[static_cast<std::size_t>(blocked.call)].call_class ==
          recording::CallClass::kLock;
  const bool at_rest =
      for_thread || (blocked.for_ns && *blocked.for_ns > invocation_ns + kTolerance);
  if (at_rest && !blocked.handler && !blocked.on_cpu) {
    return 4;
  }
  const bool loop = !blocked.on_cpu && is_loop_wait(blocked.call);
  if (blocked.handler && !loop) {
    return 0;
  }
  if (blocked.handler) {
    return 2;
  }
  return loop ? 3 : 1;
}

}  // namespace

// "10.0.3.17:5432 (db.internal) (connecting), 10.0.3.18:443": what an event loop has open.
std::string Ledger::waited_for(const Closeup& closeup) {
  constexpr std::size_t kMaxNamed = 3;
  std::string text;
  std::size_t named = 0;
  for (const SocketLook& socket : closeup.sockets) {
    if (closeup.sockets.front().connecting && !socket.connecting) {
      break;  // an idle connection says less than one that was never established
    }
    if (named++ == kMaxNamed) {
      return text + ", ...";
    }
    std::string peer = reader_.descriptor_text(socket.descriptor);
    if (!peer.starts_with(socket.peer)) {
      peer = socket.peer;  // the recording knows less, or an earlier use of this descriptor number
    }
    text += fmt::format("{}{}{}", text.empty() ? "" : ", ", peer,
                        socket.connecting ? " (connecting)" : "");
  }
  return text;
}

// Every stack that the report names, in words.
void Ledger::add_stacks(Report& report) {
  EndDescription& death = report.death;
  const ModuleMap modules(reader_.modules());
  if (const auto captured = reader_.stack(death.stack_id)) {
    Stack frames = modules.frames_of(*captured);
    const auto fault = std::find_if(frames.begin(), frames.end(), [&death](const Frame& frame) {
      return frame.address == death.pc || frame.address + 1 == death.pc;
    });
    if (death.pc != 0 && fault != frames.end()) {
      frames.erase(frames.begin(), fault);
    }
    death.stack = std::move(frames);
    death.stack_text = stack_text(death.stack);
  }
  for (Blocked& blocked : report.blocked) {
    if (const auto captured = reader_.stack(blocked.stack_id)) {
      blocked.stack = modules.frames_of(*captured);
      blocked.stack_text = stack_text(blocked.stack);
    }
  }
}

void Ledger::add_calls_in_flight(Report& report, std::uint64_t until, const EndCause& end) {
  const recording::ClockScale clock = reader_.clock();
  const std::uint64_t now = clock.ticks_at(until);
  for (const recording::OpenCall& call : reader_.open_calls()) {
    if (call.started == 0 || call.started >= now) {
      continue;
    }
    Blocked blocked;
    blocked.tid = call.tid;
    blocked.call = call.call;
    blocked.stack_id = call.stack;
    if (!end.found_later) {
      blocked.for_ns = clock.duration_ns(now - call.started);
    }
    blocked.target = call.target;
    if (blocked.target.empty() && is_loop_wait(call.call)) {
      blocked.target = waited_for(end.closeup);
    }
    report.blocked.push_back(std::move(blocked));
  }
}

void Ledger::add_blocked(Report& report, std::int32_t handler, std::uint64_t began,
                         std::uint64_t until, const EndCause& end) {
  add_calls_in_flight(report, until, end);
  for (const Closeup::Busy& busy : end.closeup.busy) {
    const bool in_call = std::any_of(report.blocked.begin(), report.blocked.end(),
                                     [&busy](const Blocked& b) { return b.tid == busy.tid; });
    if (!in_call) {
      Blocked blocked;
      blocked.tid = busy.tid;
      blocked.on_cpu = true;
      if (end.closeup.window_ns != 0) {
        blocked.for_ns = busy.cpu_ns;
      }
      report.blocked.push_back(std::move(blocked));
    }
  }
  for (Blocked& blocked : report.blocked) {
    blocked.handler = blocked.tid == handler;
    blocked.main = blocked.tid == header().pid;
  }
  const std::uint64_t ran = until - std::min(until, began);
  put_in_order(report.blocked, [ran](const Blocked& a, const Blocked& b) {
    const int near = distance(a, ran);
    const int far = distance(b, ran);
    return near != far ? near < far : a.for_ns > b.for_ns;
  });
}

}  // namespace lamprey::report
