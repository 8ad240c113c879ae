// Ledger: what each thread was in when an invocation ended before its time, the one that matters
// first.
#include <fmt/format.h>

#include <algorithm>

#include "report/delta/stacks.h"
#include "report/ledger/culprit.h"
#include "report/ledger/ledger.h"
#include "report/text/frame_names.h"

namespace lamprey::report {
namespace {

using recording::Call;
using recording::Connection;
using recording::Connections;
using recording::is_loop_wait;
using recording::OpenCall;

// What the thread has spent on others than the process's own threads since `before`.
std::uint64_t worked_ticks(const recording::ThreadTime& now,
                           const std::vector<recording::ThreadTime>& before) {
  using recording::CallClass;
  const auto earlier =
      std::find_if(before.begin(), before.end(), [&now](const recording::ThreadTime& other) {
        return other.tid == now.tid && other.generation == now.generation;
      });
  std::uint64_t ticks = 0;
  for (const CallClass kind :
       {CallClass::kNetwork, CallClass::kDns, CallClass::kChild, CallClass::kFile}) {
    const auto index = static_cast<std::size_t>(kind);
    const std::uint64_t was =
        earlier != before.end() ? earlier->moment.class_ticks[index] : std::uint64_t{0};
    const std::uint64_t is = now.moment.class_ticks[index];
    ticks += is - std::min(is, was);
  }
  return ticks;
}

}  // namespace

// "10.0.3.17:5432 (db.internal) (connecting), 10.0.3.18:443": what an event loop has open. Those
// that owe an answer, if there are any; else all, which are idle.
std::string Ledger::watched_text(const OpenCall& call, const Connections& known,
                                 const Closeup& closeup) {
  constexpr std::size_t kMaxNamed = 3;
  std::vector<std::string> texts;
  const auto add = [&texts](const std::string& peer, bool connecting) {
    texts.push_back(connecting ? peer + " (connecting)" : peer);
  };
  const Connection* first = recording::awaited_by(call, known);
  if (first != nullptr) {
    add(first->text, first->connecting != 0);
  }
  for (const Connection& connection : known.all) {
    if (&connection != first && recording::is_watched_by(connection, call) &&
        (first == nullptr || connection.unanswered())) {
      add(connection.text, connection.connecting != 0);
    }
  }
  for (const SocketLook& socket : closeup.sockets) {  // what the recording does not know
    const bool seen = std::any_of(known.all.begin(), known.all.end(), [&](const Connection& c) {
      return c.descriptor == socket.descriptor;
    });
    if (!seen && (socket.connecting || first == nullptr)) {
      add(socket.peer, socket.connecting);
    }
  }
  std::string text;
  for (std::size_t i = 0; i < texts.size() && i <= kMaxNamed; ++i) {
    text += (i == 0 ? "" : ", ") + (i == kMaxNamed ? std::string("...") : texts[i]);
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
    const bool loop = blocked.main && !blocked.on_cpu && is_loop_wait(blocked.call);
    if (const auto last = loop && !is_of_program(blocked.stack)
                              ? reader_.stack(header().last_program_stack)
                              : std::nullopt) {
      blocked.after = true;
      blocked.stack = modules.frames_of(*last);
    }
  }
}

// Whom a call on connections waits for, and since when.
void Ledger::add_awaited(Blocked& blocked, const OpenCall& call, const Connections& known,
                         std::uint64_t began, std::uint64_t until, const EndCause& end) {
  const recording::ClockScale clock = reader_.clock();
  const Connection* host = recording::awaited_by(call, known);
  const bool loop = is_loop_wait(call.call);
  if (loop && (blocked.target.empty() || host == nullptr)) {
    blocked.target = watched_text(call, known, end.closeup);
  }
  if (call.of_own_threads) {
    blocked.awaited = Awaited::kOwnThread;
    blocked.target = "a pipe between its own threads";
    return;
  }
  if (host == nullptr) {
    const bool idle =
        loop && std::any_of(known.all.begin(), known.all.end(),
                            [&call](const auto& c) { return recording::is_watched_by(c, call); });
    // Who is at the other end of a pipe to another process, nobody knows here.
    blocked.awaited = idle && !known.to_others ? Awaited::kNothing : Awaited::kUnknown;
    if (call.timer_ms.value_or(0) != 0 && !known.to_others) {
      blocked.timer_ns = *call.timer_ms * 1'000'000;
    }
    return;
  }
  const std::uint64_t since = host->connecting != 0 ? host->connecting : host->asked;
  blocked.awaited = since != 0                           ? Awaited::kAnswer
                    : !host->used && host->received == 0 ? Awaited::kFirstBytes
                                                         : Awaited::kMore;
  blocked.in_handshake = host->in_handshake && host->connecting == 0;
  const std::uint64_t from = std::max(since, clock.ticks_at(began));
  const std::uint64_t now = clock.ticks_at(until);
  if (since != 0 && from < now && !end.found_later) {
    blocked.unanswered_ns = clock.duration_ns(now - from);
  }
}

void Ledger::add_calls_in_flight(Report& report, std::uint64_t began, std::uint64_t until,
                                 const EndCause& end) {
  const recording::ClockScale clock = reader_.clock();
  const std::uint64_t now = clock.ticks_at(until);
  const Connections known = reader_.connections();
  for (const OpenCall& call : reader_.open_calls()) {
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
    blocked.holder = call.holder;
    for (const recording::Waker& waker : call.wakers) {
      if (waker.times != 0) {
        blocked.woken_by.push_back(waker.tid);
      }
    }
    if (call.call != Call::k_pthread_mutex_lock && call.call != Call::k_sem_wait) {
      add_awaited(blocked, call, known, began, until, end);
    }
    report.blocked.push_back(std::move(blocked));
  }
  for (const Connection& connection : known.all) {
    const std::uint64_t from = clock.ticks_at(began);
    if (connection.received > from && connection.received <= now) {
      const std::uint64_t after = clock.duration_ns(connection.received - from);
      if (after > report.last_answer_ns.value_or(0)) {
        report.last_answer_ns = after;
        report.last_answer_from = connection.label;
      }
    }
  }
}

void Ledger::note_threads(std::vector<ThreadLook> looks) {
  early_looks_ = std::move(looks);
  if (refresh()) {
    early_ns_ = recording::monotonic_ns();
    early_threads_ = reader_.threads(early_ns_);
  }
}

// How long each thread has worked since it was first looked at; returns since when that was, in ns.
std::uint64_t Ledger::add_worked(Report& report, std::uint64_t began, std::uint64_t until) {
  if (early_ns_ <= began || early_ns_ >= until) {
    return 0;  // it was another invocation's
  }
  for (const recording::ThreadTime& now : reader_.threads(until)) {
    for (Blocked& blocked : report.blocked) {
      if (blocked.tid == now.tid && !blocked.on_cpu) {
        blocked.worked_ns = reader_.clock().duration_ns(worked_ticks(now, early_threads_));
      }
    }
  }
  return until - early_ns_;
}

void Ledger::add_blocked(Report& report, std::int32_t handler, std::uint64_t began,
                         std::uint64_t until, const EndCause& end) {
  add_calls_in_flight(report, began, until, end);
  for (const Closeup::Busy& busy : end.closeup.busy) {
    const bool in_call = std::any_of(report.blocked.begin(), report.blocked.end(),
                                     [&busy](const Blocked& b) { return b.tid == busy.tid; });
    if (!in_call) {
      Blocked blocked;
      blocked.tid = busy.tid;
      blocked.on_cpu = true;
      if (end.closeup.window_ns != 0) {
        blocked.for_ns = busy.cpu_ns;
        blocked.worked_ns = busy.wanted_ns;
      }
      report.blocked.push_back(std::move(blocked));
    }
  }
  for (const recording::AskedThread& asked : reader_.asked_threads()) {
    for (Blocked& blocked : report.blocked) {
      if (blocked.on_cpu && blocked.tid == asked.tid) {
        blocked.stack_id = asked.stack;
      }
    }
  }
  bool known = end.closeup.mono_ns != 0;
  for (Blocked& blocked : report.blocked) {
    blocked.handler = blocked.tid == handler;
    blocked.main = blocked.tid == header().pid;
    known = known || blocked.handler;
  }
  if (!known && end.status == Status::kTimeout) {  // the machine gave the companion no time
    report.coverage.add_unseen("threads that compute: nobody looked before the end");
  }
  const std::uint64_t window = end.found_later ? 0 : add_worked(report, began, until);
  put_culprit_first(report.blocked, until - std::min(until, began), window);
}

}  // namespace lamprey::report
