// The descriptor table, and what every kind of descriptor has in common. See descriptors.h.
#include "preload/io/descriptors.h"

#include <cerrno>

#include "preload/base/raw_syscall.h"
#include "preload/base/ticks.h"

namespace lamprey::preload::io {
namespace {

using recording::Descriptor;
using recording::Handshake;
using recording::load;
using recording::shared_add;
using recording::store;
using recording::Target;
using recording::TargetTotals;

constexpr int kDnsPort = 53;
// Who gives up earlier has lost a race (RFC 8305 tries several addresses), or asked for no answer.
constexpr std::uint64_t kGivenUpAfterNs = 1'000'000'000;
// Less than any HTTP request: what keeps a connection open or closes it (pings, TLS alerts, the
// last words of database protocols) is answered by nobody.
constexpr std::uint16_t kRequestBytes = 64;

Target* target_of(const Descriptor& entry) {
  const std::uint32_t index = std::uint32_t{load(entry.target)} - 1;  // 0: none
  return index < recording::kTargets ? &g_writer.target_at(index) : nullptr;
}

CallClass class_of(const Descriptor& entry, DescriptorKind kind, CallClass by_name) {
  if (kind == DescriptorKind::kHost) {
    const Target* target = target_of(entry);
    if (target == nullptr) {
      return CallClass::kNetwork;
    }
    if ((target->flags & recording::kTargetRuntimeApi) != 0) {
      return CallClass::kOther;
    }
    return target->port == kDnsPort ? CallClass::kDns : CallClass::kNetwork;
  }
  const std::uint32_t woken = load(entry.woken_class);
  if (woken != 0) {
    return static_cast<CallClass>(woken - 1);
  }
  return recording::class_of(kind, by_name);
}

// A connect that was under way is over: bytes could be sent, or the socket became ready.
void finish_connect(Descriptor& entry, TargetTotals& totals, std::uint64_t now) {
  const std::uint64_t began = load(entry.connecting);
  if (began != 0) {
    store(entry.connecting, 0);
    shared_add(totals.connect_ticks, g_writer.busy_between(began, now));
  }
}

// The sends of a TLS handshake: the first is where it begins, and the last where it ends. What is
// answered in between is no answer to a request.
void shook_hands(Descriptor& entry, TargetTotals& totals, Handshake state, const Spent& spent) {
  if (state == Handshake::kUnderWay) {
    return;
  }
  shared_add(totals.handshakes, 1);
  shared_add(totals.handshake_ticks, g_writer.busy_between(load(entry.sent), spent.end));
  store(entry.sent, state == Handshake::kEndedByRequest ? spent.end : 0);
  store(entry.handshake, Handshake::kNone);
}

void sent(Descriptor& entry, Target& target, bool own, const Spent& spent) {
  add(own, target.owned.sent, target.totals.sent, spent.bytes);
  if (load(entry.sent) == 0) {
    store(entry.sent, spent.end);
    store(entry.asked, 0);
  }
  const std::uint64_t asked = load(entry.asked) + spent.bytes;
  store(entry.asked, static_cast<std::uint16_t>(asked < UINT16_MAX ? asked : UINT16_MAX));
  if (const Handshake state = load(entry.handshake); state != Handshake::kNone) [[unlikely]] {
    shook_hands(entry, target.totals, state, spent);
  }
  const std::uint64_t invocation = load(g_writer.header().started) + 1;
  const std::uint64_t before = load(entry.invocation) & ~recording::kConnectionBits;
  if (before != invocation) {
    store(entry.invocation, invocation | (before != 0 ? recording::kConnectionOld : 0));
    if (before != 0) {
      shared_add(target.totals.reused, 1);
    }
  }
}

// Whether a connection from before this invocation has not been answered in it.
bool is_unproven(const Descriptor& entry) {
  const std::uint64_t invocation = load(entry.invocation);
  const std::uint64_t number = invocation & ~recording::kConnectionBits;
  return number == load(g_writer.header().started) + 1
             ? (invocation & recording::kConnectionOld) != 0 &&
                   (invocation & recording::kConnectionAnswered) == 0
             : number != 0;
}

void received(Descriptor& entry, Target& target, bool own, const Spent& spent) {
  if (spent.bytes != 0) {
    add(own, target.owned.received, target.totals.received, spent.bytes);
    if (load(entry.handshake) == Handshake::kNone && load(entry.invocation) != 0) {
      store(entry.invocation, load(entry.invocation) | recording::kConnectionAnswered);
    }
    const std::uint64_t since = load(entry.sent);
    if (since != 0 && load(entry.handshake) == Handshake::kNone) {
      store(entry.sent, 0);
      shared_add(target.totals.answers, 1);
      shared_add(target.totals.first_byte_ticks, g_writer.busy_between(since, spent.end));
    }
  }
}

void account_host(Descriptor& entry, Target& target, const Spent& spent, Direction way) {
  const bool own = owns(target);
  add(own, target.owned.ticks, target.totals.ticks, spent.ticks);
  if (way == Direction::kNeither) {
    return;  // an option that is not accepted, or a second shutdown, tells nothing of the host
  }
  if (is_error(spent)) {
    store(entry.connecting, 0);
    count_broken(entry, target, failure_of(errno));
  } else if (!spent.failed) {
    finish_connect(entry, target.totals, spent.end);
    if (way == Direction::kSends) {
      sent(entry, target, own, spent);
    } else {
      received(entry, target, own, spent);
    }
  }
}

void account_file(Target& target, const Spent& spent, Direction way) {
  count_for_file(target, owns(target), spent, way);
  if (is_error(spent)) [[unlikely]] {
    shared_add(target.totals.errors, 1);
  }
}

// What the thread has mostly waited for since it last woke somebody. Waiting for work does not
// count.
std::uint32_t work_done(recording::ThreadSlot& slot) {
  static constexpr CallClass kWork[] = {CallClass::kFile, CallClass::kNetwork, CallClass::kDns,
                                        CallClass::kChild, CallClass::kSleep};
  CallClass most = CallClass::kOther;
  std::uint64_t ticks = recording::kLongCallTicks;  // less is no wait
  for (const CallClass work : kWork) {
    const auto index = static_cast<std::uint32_t>(work);
    const std::uint64_t grown = load(slot.class_ticks[index]) - load(slot.woke_class_ticks[index]);
    store(slot.woke_class_ticks[index], load(slot.class_ticks[index]));
    if (grown > ticks) {
      ticks = grown;
      most = work;
    }
  }
  return static_cast<std::uint32_t>(most) + 1;
}

// This wakes whoever waits at the other end: its wait is charged to what this thread had waited
// for.
void woke(const Descriptor& entry, int fd) {
  recording::ThreadSlot* slot = current_slot();
  const int reader = entry.other != 0 ? entry.other - 1 : fd;
  if (slot != nullptr && has_entry(reader)) {
    store(g_writer.descriptor(reader).woken_class, work_done(*slot));
  }
}

// Which descriptor was last registered with such data (by pointers, mostly: libevent, nginx, asio):
// where to look first, +1; 0: none was.
constexpr unsigned kHintBits = 11;
std::uint16_t g_hints[1U << kHintBits];
static_assert(recording::kDescriptors < UINT16_MAX);

std::uint16_t& hint_for(std::uint64_t data) {
  return g_hints[(data * 0x9E3779B97F4A7C15U) >> (64 - kHintBits)];
}

bool is_registered_as(int fd, std::uint64_t data) {
  const Descriptor& entry = g_writer.descriptor(fd);
  return load(entry.epoll_data) == data && load(entry.kind) != DescriptorKind::kUnknown;
}

}  // namespace

void give_meaning(int fd, DescriptorKind kind, std::uint16_t target, std::uint16_t other) {
  Descriptor& entry = g_writer.descriptor(fd);
  recording::take_back(entry.kind, DescriptorKind::kUnknown);
  store(entry.generation, load(entry.generation) + 1);
  store(entry.target, target);
  store(entry.other, other);
  store(entry.woken_class, 0);
  store(entry.connecting, 0);
  store(entry.sent, 0);
  store(entry.epoll_data, 0);
  store(entry.invocation, 0);
  recording::publish(entry.kind, kind);
}

bool is_error(const Spent& spent) {
  return spent.failed && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR &&
         errno != EINPROGRESS && errno != EALREADY && errno != EISCONN;
}

recording::NetworkFailure failure_of(int error) {
  using recording::NetworkFailure;
  switch (error) {
    case ECONNREFUSED:
      return NetworkFailure::kRefused;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
      return NetworkFailure::kReset;
    case ETIMEDOUT:
      return NetworkFailure::kTimedOut;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
      return NetworkFailure::kUnreachable;
    default:
      return NetworkFailure::kNone;
  }
}

void count_failure(Target& target, recording::NetworkFailure failure) {
  shared_add(target.totals.errors, 1);
  if (failure != recording::NetworkFailure::kNone) {
    shared_add(target.totals.failures[static_cast<std::uint32_t>(failure)], 1);
  }
}

void count_broken(Descriptor& entry, Target& target, recording::NetworkFailure failure) {
  using recording::NetworkFailure;
  const std::uint64_t invocation = load(entry.invocation);
  if ((invocation & recording::kConnectionBroken) != 0) {
    return;  // a write after a reset fails too, and a second read
  }
  if (failure == NetworkFailure::kReset) {
    failure = load(entry.handshake) == Handshake::kUnderWay ? NetworkFailure::kHandshake
              : is_unproven(entry)                          ? NetworkFailure::kStale
                                                            : NetworkFailure::kReset;
  }
  if (failure != NetworkFailure::kNone) {
    store(entry.invocation, invocation | recording::kConnectionBroken);
  }
  count_failure(target, failure);
}

// At its first use after a freeze a connection takes one request, although its end has arrived:
// then a read gives nothing, and no call fails.
void ended_by_peer_slow(int fd) {
  Descriptor& entry = g_writer.descriptor(fd);
  Target* target = target_of(entry);
  if (target == nullptr || load(entry.sent) == 0 || in_vfork_child()) {
    return;
  }
  if (load(entry.handshake) == Handshake::kUnderWay ||
      (is_unproven(entry) && load(entry.asked) >= kRequestBytes)) {
    count_broken(entry, *target, recording::NetworkFailure::kReset);
  }
}

void closing_slow(int fd) {
  Descriptor& entry = g_writer.descriptor(fd);
  Target* target = target_of(entry);
  const std::uint64_t connecting = load(entry.connecting);
  const std::uint64_t since = connecting != 0 ? connecting : load(entry.sent);
  if (target == nullptr || since == 0 || in_vfork_child() ||
      g_writer.busy_between(since, ticks()) < ticks_for(kGivenUpAfterNs)) {
    return;
  }
  const bool in_handshake = load(entry.handshake) == Handshake::kUnderWay;
  const bool asked = (load(entry.invocation) & recording::kConnectionAnswered) == 0 &&
                     load(entry.asked) >= kRequestBytes;
  if (connecting != 0 || in_handshake || asked) {
    count_broken(entry, *target,
                 in_handshake && connecting == 0 ? recording::NetworkFailure::kReset
                                                 : recording::NetworkFailure::kTimedOut);
  }
}

// What the inline account_io() leaves: other kinds, other threads' files, failures.
CallClass __attribute__((noinline))
account_io_slow(int fd, CallClass by_name, Spent spent, Direction way) {
  Descriptor& entry = g_writer.descriptor(fd);
  const DescriptorKind kind = load(entry.kind);
  Target* target = target_of(entry);
  if (target != nullptr && kind == DescriptorKind::kHost) {
    account_host(entry, *target, spent, way);
  } else if (target != nullptr) {
    account_file(*target, spent, way);
  } else if (way == Direction::kSends && !spent.failed && kind != DescriptorKind::kFile &&
             kind != DescriptorKind::kHost) {
    woke(entry, fd);
    return CallClass::kOther;
  }
  return class_of(entry, kind, by_name);
}

CallClass waited_for(int fd, const Spent& spent) {
  const DescriptorKind kind = kind_of(fd);
  if (kind == DescriptorKind::kUnknown) {
    return CallClass::kWait;
  }
  Descriptor& entry = g_writer.descriptor(fd);
  Target* target = target_of(entry);
  if (target != nullptr) {
    shared_add(target->totals.ticks, spent.ticks);
    if (kind == DescriptorKind::kHost) {
      finish_connect(entry, target->totals, spent.end);
    }
  }
  return class_of(entry, kind, CallClass::kWait);
}

void forget_range(unsigned first, unsigned last) {
  if (first >= recording::kDescriptors || in_vfork_child()) {
    return;
  }
  for (unsigned fd = first; fd <= last && fd < recording::kDescriptors; ++fd) {
    Descriptor& entry = g_writer.descriptor(static_cast<int>(fd));
    if (load(entry.kind) != DescriptorKind::kUnknown) {
      recording::publish(entry.kind, DescriptorKind::kUnknown);
    }
  }
}

void handshake_is(int fd, Handshake state) {
  if (has_entry(fd) && kind_of(fd) == DescriptorKind::kHost) {
    store(g_writer.descriptor(fd).handshake, state);
  }
}

void made(int fd, DescriptorKind kind, int other) {
  if (has_entry(fd) && !in_vfork_child()) {
    give_meaning(fd, kind, 0, static_cast<std::uint16_t>(has_entry(other) ? other + 1 : 0));
  }
}

void copied(int from, int to) {
  if (!has_entry(to) || from == to) {
    return;
  }
  const DescriptorKind kind = kind_of(from);
  if ((kind == DescriptorKind::kUnknown && kind_of(to) == DescriptorKind::kUnknown) ||
      in_vfork_child()) {
    return;
  }
  if (kind == DescriptorKind::kUnknown) {
    recording::publish(g_writer.descriptor(to).kind, kind);
    return;
  }
  const Descriptor& entry = g_writer.descriptor(from);
  give_meaning(to, kind, load(entry.target), load(entry.other));
}

void registered(int fd, std::uint64_t data) {
  if (has_entry(fd) && !in_vfork_child()) {
    store(g_writer.descriptor(fd).epoll_data, data);
    store(hint_for(data), static_cast<std::uint16_t>(fd + 1));
  }
}

int registered_as(std::uint64_t data, bool& may_search) {
  // Nearly everybody puts the descriptor itself there, some leave the upper half undefined.
  const auto guess = static_cast<int>(data & 0xFFFFFFFFU);
  if (kind_of(guess) != DescriptorKind::kUnknown) {
    const std::uint64_t known = load(g_writer.descriptor(guess).epoll_data);
    if (known == data || (known == 0 && data <= 0xFFFFFFFFU)) {
      return guess;
    }
  }
  const int hint = int{load(hint_for(data))} - 1;
  if (data == 0 || hint < 0 || is_registered_as(hint, data)) {
    return data != 0 ? hint : -1;
  }
  // Another has the place now, or the descriptor was closed.
  if (&hint_for(load(g_writer.descriptor(hint).epoll_data)) != &hint_for(data)) {
    store(hint_for(data), 0);
  }
  const bool searches = may_search;
  may_search = false;
  for (int fd = 0; searches && has_entry(fd); ++fd) {
    if (is_registered_as(fd, data)) {
      store(hint_for(data), static_cast<std::uint16_t>(fd + 1));
      return fd;
    }
  }
  return -1;
}

}  // namespace lamprey::preload::io
