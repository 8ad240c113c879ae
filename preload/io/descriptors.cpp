// The descriptor table, and what every kind of descriptor has in common. See descriptors.h.
#include "preload/io/descriptors.h"

#include <cerrno>

#include "preload/base/raw_syscall.h"
#include "preload/base/ticks.h"
#include "preload/io/awaited.h"

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
// A little less than the limits that people set, 500 ms and 1 s: a wait may end just before.
constexpr std::uint64_t kAnswerGivenUpNs = 450'000'000;
constexpr std::uint64_t kConnectGivenUpNs = 950'000'000;
// Less than any HTTP request: what keeps a connection open or closes it (pings, TLS alerts, the
// last words of database protocols) is answered by nobody.
constexpr std::uint16_t kRequestBytes = 64;

Target* target_of(const Descriptor& entry) {
  const std::uint32_t index = std::uint32_t{load(entry.target)} - 1;  // 0: none
  return index < recording::kTargets ? &g_writer.target_at(index) : nullptr;
}

CallClass class_of(const Descriptor& entry, DescriptorKind kind, CallClass by_name,
                   const Spent& spent) {
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
    return handed_on(static_cast<CallClass>(woken - 1), spent);
  }
  const bool pipe = kind == DescriptorKind::kPipe || kind == DescriptorKind::kPair;
  if (pipe && kind_of(int{load(entry.other)} - 1) == kind) {
    return CallClass::kOther;  // of this process's threads, and who wrote has not said so yet
  }
  return recording::class_of(kind, by_name);
}

// A connect that was under way is over: bytes could be sent, or the socket became ready.
// False: none was under way.
bool finish_connect(Descriptor& entry, TargetTotals& totals, std::uint64_t now) {
  const std::uint64_t began = load(entry.connecting);
  if (began == 0) {
    return false;
  }
  store(entry.connecting, 0);
  shared_add(totals.connect_ticks, g_writer.busy_between(began, now));
  return true;
}

// What a server may send of its own accord after a handshake of TLS 1.3: two session tickets, as a
// rule, of some 250 bytes.
constexpr std::uint32_t kTicketBytes = 600;
constexpr std::uint32_t kTicketUnit = 4;  // of Descriptor::early

// The sends of a TLS handshake: the first is where it begins, and the last where it ends. What is
// answered in between is no answer to a request.
void shook_hands(Descriptor& entry, TargetTotals& totals, Handshake state, const Spent& spent) {
  if (state == Handshake::kUnderWay) {
    return;
  }
  shared_add(totals.handshakes, 1);
  shared_add(totals.handshake_ticks, g_writer.busy_between(load(entry.sent), spent.end));
  store(entry.sent, state == Handshake::kEndedByRequest ? spent.end : 0);
  store(entry.early, 0);
  store(entry.handshake,
        state == Handshake::kEnded ? Handshake::kTicketsMayCome : Handshake::kNone);
}

// Whether what is sent begins another question. After bytes that may have been tickets it does, and
// they were an answer.
bool asks_anew(Descriptor& entry) {
  if (load(entry.handshake) == Handshake::kTicketsMayCome && load(entry.sent) != 0 &&
      load(entry.early) != 0) {
    store(entry.handshake, Handshake::kNone);
    return true;
  }
  return load(entry.sent) == 0 ||
         (load(entry.handshake) == Handshake::kNone && load(entry.received) >= load(entry.sent));
}

void sent(Descriptor& entry, Target& target, bool own, const Spent& spent) {
  add(own, target.owned.sent, target.totals.sent, spent.bytes);
  if (asks_anew(entry)) {
    store(entry.sent, spent.end);
    store(entry.asked, 0);
  }
  const std::uint64_t asked = load(entry.asked) + spent.bytes;
  store(entry.asked, static_cast<std::uint16_t>(asked < UINT16_MAX ? asked : UINT16_MAX));
  if (t_thread.slot != nullptr) {
    store(entry.sender, static_cast<std::uint16_t>(g_writer.index_of(*t_thread.slot)));
  }
  if (const Handshake state = load(entry.handshake);
      state != Handshake::kNone && state != Handshake::kTicketsMayCome) [[unlikely]] {
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

// Whether what came is, or may be, something else than an answer.
bool is_of_handshake(Descriptor& entry, const Spent& spent) {
  const Handshake state = load(entry.handshake);
  if (state != Handshake::kTicketsMayCome) [[likely]] {
    return state != Handshake::kNone;
  }
  const std::uint64_t early = load(entry.early) + ((spent.bytes + 3) / kTicketUnit);
  if (early <= kTicketBytes / kTicketUnit) {
    store(entry.early, static_cast<std::uint8_t>(early));
    return true;
  }
  store(entry.handshake, Handshake::kNone);
  return false;
}

// An answer lasts until its last byte before the next question.
void received(Descriptor& entry, Target& target, bool own, const Spent& spent) {
  if (spent.bytes == 0) {
    return;
  }
  add(own, target.owned.received, target.totals.received, spent.bytes);
  const Handshake state = load(entry.handshake);
  if (state != Handshake::kUnderWay && load(entry.invocation) != 0) {
    store(entry.invocation, load(entry.invocation) | recording::kConnectionAnswered);
  }
  if (is_of_handshake(entry, spent)) {
    return;
  }
  const std::uint64_t since = load(entry.sent);
  const bool first = recording::is_unanswered(entry);
  store(entry.received, spent.end);
  if (since == 0 || (!first && spent.end - since <= load(target.longest_ticks))) {
    return;
  }
  const std::uint64_t took = g_writer.busy_between(since, spent.end);
  recording::raise_to(target.longest_ticks, took);
  if (first) {
    shared_add(target.totals.answers, 1);
    shared_add(target.totals.first_byte_ticks, took);
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
    store(entry.sent, 0);  // what was asked will not be answered any more
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

// This wakes whoever waits at the other end: its wait is charged to what this thread had waited
// for.
void woke(const Descriptor& entry, int fd) {
  recording::ThreadSlot* slot = current_slot();
  const int reader = entry.other != 0 ? entry.other - 1 : fd;
  if (slot != nullptr && has_entry(reader)) {
    const CallClass spent_on = work_since_waking(*slot).spent_on;
    begin_work(*slot);
    store(g_writer.descriptor(reader).woken_class,
          static_cast<std::uint16_t>(static_cast<std::uint32_t>(spent_on) + 1));
  }
}

// All descriptors that ever had a meaning are below it.
std::uint32_t g_known = 0;

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
  store(entry.received, 0);
  store(entry.sender, 0);
  store(entry.early, 0);
  store(entry.watched_by, 0);
  recording::raise_to(g_known, static_cast<std::uint32_t>(fd) + 1);
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
  if (target == nullptr || !recording::is_unanswered(entry) || in_vfork_child()) {
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
  const std::uint64_t since = connecting != 0                   ? connecting
                              : recording::is_unanswered(entry) ? load(entry.sent)
                                                                : 0;
  if (target == nullptr || since == 0 || in_vfork_child() ||
      g_writer.busy_between(since, ticks()) <
          ticks_for(connecting != 0 ? kConnectGivenUpNs : kAnswerGivenUpNs)) {
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
  return class_of(entry, kind, by_name, spent);
}

CallClass waited_for(int fd, const Spent& spent) {
  const DescriptorKind kind = kind_of(fd);
  if (kind == DescriptorKind::kUnknown) {
    return CallClass::kWait;
  }
  spent.awaited = awaited_descriptor(fd);
  Descriptor& entry = g_writer.descriptor(fd);
  Target* target = target_of(entry);
  if (target != nullptr) {
    shared_add(target->totals.ticks, spent.ticks);
    if (kind == DescriptorKind::kHost && finish_connect(entry, target->totals, spent.end)) {
      spent.awaited |= awaited_phase(WaitPhase::kConnect);
    }
  }
  return class_of(entry, kind, CallClass::kWait, spent);
}

std::uint64_t unanswered_since(int fd) {
  if (kind_of(fd) != DescriptorKind::kHost) {
    return 0;
  }
  const Descriptor& entry = g_writer.descriptor(fd);
  const Target* target = target_of(entry);
  if (target != nullptr && (target->flags & recording::kTargetRuntimeApi) != 0) {
    return 0;
  }
  const std::uint64_t connecting = load(entry.connecting);
  return connecting != 0 ? connecting : recording::is_unanswered(entry) ? load(entry.sent) : 0;
}

// A descriptor of which no registration was seen (it was registered before it was connected, or
// through io_uring) is taken for one of the thread's own loop.
int asked_first(int epoll) {
  int first = -1;
  std::uint64_t first_since = 0;
  const auto known = static_cast<int>(load(g_known));
  const std::uint32_t slot = t_thread.slot != nullptr ? g_writer.index_of(*t_thread.slot) : 0;
  for (int fd = 0; fd < known; ++fd) {
    const std::uint64_t since = unanswered_since(fd);
    if (since == 0 || (first >= 0 && since >= first_since)) {
      continue;
    }
    const Descriptor& entry = g_writer.descriptor(fd);
    const int watched_by = int{load(entry.watched_by)} - 1;
    const bool mine = slot != 0 && load(entry.sender) == slot;
    if (epoll >= 0 ? watched_by == epoll || (watched_by < 0 && mine) : mine) {
      first = fd;
      first_since = since;
    }
  }
  return first;
}

CallClass waited_in_vain(int fd, const Spent& spent) {
  spent.awaited = awaited_descriptor(fd);
  Descriptor& entry = g_writer.descriptor(fd);
  if (Target* target = target_of(entry)) {
    shared_add(target->totals.ticks, spent.ticks);
  }
  return class_of(entry, DescriptorKind::kHost, CallClass::kNetwork, spent);
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
  const bool loop = kind == DescriptorKind::kLoop;
  give_meaning(to, kind, load(entry.target),
               loop ? static_cast<std::uint16_t>(loop_of(from) + 1) : load(entry.other));
}

}  // namespace lamprey::preload::io
