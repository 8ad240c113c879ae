// What descriptors lead to, and what is counted for it: the descriptor table and the targets of the
// recording (src/recording/targets.h). The policies of the hooks call in here. Hosts and their
// names live in hosts.h, files and directories in files.h.
//
// Nothing here allocates, locks or touches errno. System calls: getpid where a vfork child, which
// shares our memory, could change what we know of the parent's descriptors.
#pragma once

#include <cstdint>

#include "preload/io/last_wait.h"
#include "preload/process/thread.h"
#include "preload/process/vfork.h"
#include "recording/layout.h"

namespace lamprey::preload::io {

// What one finished call took. `ticks` is end - begin without time in which no invocation ran.
struct Spent {
  std::uint64_t ticks;
  std::uint64_t begin;
  std::uint64_t end;
  std::uint64_t bytes;
  bool failed;
  // What it turned out to be about (awaited.h): told while the call is accounted, for the timeline.
  mutable std::uint32_t awaited;
};

using recording::CallClass;
using recording::DescriptorKind;

enum class Direction : std::uint8_t { kNeither, kReceives, kSends };

inline bool has_entry(int fd) { return static_cast<unsigned>(fd) < recording::kDescriptors; }

inline DescriptorKind kind_of(int fd) {
  return has_entry(fd) ? recording::load(g_writer.descriptor(fd).kind) : DescriptorKind::kUnknown;
}

// Whether a read on it may have to wait for somebody else.
inline bool may_wait(int fd) {
  const DescriptorKind kind = kind_of(fd);
  return kind != DescriptorKind::kUnknown && kind != DescriptorKind::kFile;
}

// The thread that counts first for a target owns it, and counts in a part of its own.
inline bool owns(recording::Target& target) {
  const std::int32_t me = t_thread.tid;
  const std::int32_t owner = recording::load(target.owner);
  return me != 0 && (owner == me || (owner == 0 && recording::exchange_if(target.owner, 0, me)));
}

// To the counter of the owner alone, or to everybody's.
[[gnu::always_inline]] inline void add(bool own, std::uint64_t& mine, std::uint64_t& everybodys,
                                       std::uint64_t amount) {
  own ? recording::own_add(mine, amount) : recording::shared_add(everybodys, amount);
}

// What a read or write of a file, or another call on it, changes. `own`: owns(target).
[[gnu::always_inline]] inline void count_for_file(recording::Target& target, bool own,
                                                  const Spent& spent, Direction way) {
  recording::OwnedTotals& mine = target.owned;
  recording::TargetTotals& everybodys = target.totals;
  add(own, mine.ticks, everybodys.ticks, spent.ticks);
  if (way == Direction::kReceives) {
    add(own, mine.reads, everybodys.reads, 1);
    add(own, mine.received, everybodys.received, spent.bytes);
  } else if (way == Direction::kSends) {
    add(own, mine.writes, everybodys.writes, 1);
    add(own, mine.sent, everybodys.sent, spent.bytes);
  }
}

// (By value: a reference would keep the caller's copy in memory on the fast path too.)
CallClass account_io_slow(int fd, CallClass by_name, Spent spent, Direction way);

// A socket of unknown origin: inherited, handed over, or connected before us. Asks the kernel once
// whom it leads to; false: it has no room in the table.
bool identify(int fd);

// After a call on `fd`: counts for its target, and says what the time was spent on. With `kFailed`
// calls errno is still the call's. Inline, files that the thread itself was the first to use: of
// all that a program reads, they are what it reads most often and waits for least.
[[gnu::always_inline]] inline CallClass account_io(int fd, CallClass by_name, const Spent& spent,
                                                   Direction way) {
  if (!has_entry(fd)) {
    return by_name;
  }
  const recording::Descriptor& entry = g_writer.descriptor(fd);
  const DescriptorKind kind = recording::load(entry.kind);
  if (kind == DescriptorKind::kUnknown &&
      (by_name != CallClass::kNetwork || way == Direction::kNeither || !identify(fd))) {
    return by_name;
  }
  const std::uint32_t index = std::uint32_t{recording::load(entry.target)} - 1;  // 0: none
  if (kind == DescriptorKind::kFile && index < recording::kTargets && !spent.failed) [[likely]] {
    recording::Target& target = g_writer.target_at(index);
    if (const std::int32_t owner = recording::load(target.owner);
        owner == t_thread.tid && owner != 0) [[likely]] {
      count_for_file(target, true, spent, way);
      return recording::class_of(DescriptorKind::kFile, by_name);  // nobody is woken through a file
    }
  }
  return account_io_slow(fd, by_name, spent, way);
}

// The other side has closed the connection: a read gave nothing.
void ended_by_peer_slow(int fd);
inline void ended_by_peer(int fd) {
  if (kind_of(fd) == DescriptorKind::kHost) {
    ended_by_peer_slow(fd);
  }
}

// Before a close: a host that was asked and has not answered is given up.
void closing_slow(int fd);
inline void closing(int fd) {
  if (kind_of(fd) == DescriptorKind::kHost) {
    closing_slow(fd);
  }
}

// After a wait that `fd`, found ready, has ended.
CallClass waited_for(int fd, const Spent& spent);

// A wait that no answer ended (it ran out of time, or a timer did) was for an answer all the same
// where a host had been asked and had not answered, or a connect was under way.
// Since when that is so, in ticks; 0: it is not.
std::uint64_t unanswered_since(int fd);
// The descriptor by which an epoll is known: a copy watches what the original watches (Rust's mio
// registers with one and waits on the other).
inline int loop_of(int epoll) {
  if (kind_of(epoll) != DescriptorKind::kLoop) {
    return epoll;
  }
  const std::uint16_t original = recording::load(g_writer.descriptor(epoll).other);
  return original != 0 ? original - 1 : epoll;
}
// Whoever was asked first of those that `epoll`, a loop_of(), watches; with -1 of those that the
// calling thread asked. -1: nobody has an answer to give.
int asked_first(int epoll);
// What a wait for `fd` was spent on that it did not end.
CallClass waited_in_vain(int fd, const Spent& spent);

// What a thread has mostly waited for since it last woke another; kOther: for nothing. Waiting for
// work does not count.
struct Work {
  CallClass spent_on;
  std::uint64_t ticks;
};
Work work_since_waking(const recording::ThreadSlot& slot);
// Another thread has ended this wait of the calling thread's, which counts as what that one had
// waited for. Who passes a wake-up on passes this on, too.
[[gnu::visibility("hidden")]] extern __thread __attribute__((tls_model("initial-exec")))
LastWait t_inherited;
// A wait that another thread ended was spent on what that one had waited for; returns `spent_on`.
// What this thread waited for before it was woken is no work for whom it wakes next.
CallClass handed_on(CallClass spent_on, const Spent& spent);
// It has woken another: what it waits for from here on is somebody else's.
void begin_work(recording::ThreadSlot& slot);

// -- how descriptors get their meaning ------------------------------------------------------------

// The number now means something else, or nothing.
inline void forget(int fd) {
  if (kind_of(fd) != DescriptorKind::kUnknown && !in_vfork_child()) [[unlikely]] {
    recording::publish(g_writer.descriptor(fd).kind, DescriptorKind::kUnknown);
  }
}
void forget_range(unsigned first, unsigned last);

// `other`: the far end of a pipe or pair, or -1.
void made(int fd, DescriptorKind kind, int other);
void copied(int from, int to);
// epoll_ctl(2) told the kernel to say `data` when `fd` is ready, to who waits on `epoll`, a
// loop_of(); or no longer.
void registered(int epoll, int fd, std::uint64_t data);
void unregistered(int epoll, int fd);
// Which descriptor an event with `data` is about; -1 unknown. Where two share a hint the whole
// table is searched, which `may_search` allows once.
int registered_as(std::uint64_t data, bool& may_search);

// For the files beside this one: gives `fd` its meaning; `target` and `other` are as in Descriptor.
void give_meaning(int fd, DescriptorKind kind, std::uint16_t target, std::uint16_t other);
// A call that found nothing to do, or was interrupted, has not failed. Reads errno.
bool is_error(const Spent& spent);
// What an error number of a connect, a transfer or SO_ERROR tells of the other side.
recording::NetworkFailure failure_of(int error);
void count_failure(recording::Target& target, recording::NetworkFailure failure);
// A connection has failed: counts it, once.
void count_broken(recording::Descriptor& entry, recording::Target& target,
                  recording::NetworkFailure failure);

}  // namespace lamprey::preload::io
