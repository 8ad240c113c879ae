// What descriptors lead to: the part of the recording's layout (layout.h) that tells hosts, files
// and pipes apart and counts for each. Only plain data lives here.
//
// A Target is handed out when it is first met and never given back: its index means the same thing
// as long as the file lives, so the difference of two boundaries is one invocation's part. Counters
// are shared by all threads (atomic adds). Units: ticks of Header::clock, bytes, counts.
#pragma once

#include <cstdint>

#include "recording/calls.h"
#include "recording/counting.h"

namespace lamprey::recording {

inline constexpr std::uint32_t kDescriptors = 1024;  // Lambda's limit; higher ones have no entry

// The targets of a kind stand in the table from kTargetFirst[kind] on, kTargetRoom[kind] of them.
enum class TargetKind : std::uint32_t { kHost = 0, kDirectory = 1, kFile = 2 };
inline constexpr std::uint32_t kTargetKinds = 3;
inline constexpr std::uint32_t kTargetRoom[kTargetKinds] = {48, 64, 208};
inline constexpr std::uint32_t kTargetFirst[kTargetKinds] = {0, 48, 112};
inline constexpr std::uint32_t kTargets = 320;
// How many files may be named before init is over: imports must not take all the room.
inline constexpr std::uint32_t kFilesOfInit = 96;

enum class DescriptorKind : std::uint8_t {
  kUnknown = 0,
  kFile = 1,    // target: a file, or the directory that stands for it
  kHost = 2,    // a connected, or connecting, socket. target: a host
  kPipe = 3,    // `other`: the far end, when it was made in this process
  kPair = 4,    // socketpair; likewise
  kEvent = 5,   // eventfd
  kTimer = 6,   // timerfd
  kSignal = 7,  // signalfd
  kLoop = 8,    // epoll. `other`: the one of which it is a copy, by dup or fcntl
};

// What time in a call on such a descriptor is spent on. `by_name` is the class of the call itself.
constexpr CallClass class_of(DescriptorKind kind, CallClass by_name) {
  switch (kind) {
    case DescriptorKind::kUnknown:
    case DescriptorKind::kLoop:
      return by_name;
    case DescriptorKind::kFile:
      return CallClass::kFile;
    case DescriptorKind::kHost:
      return CallClass::kNetwork;
    case DescriptorKind::kPipe:
    case DescriptorKind::kPair:
      return CallClass::kChild;  // nobody in this process wrote to it: see Descriptor::woken_class
    case DescriptorKind::kTimer:
      return CallClass::kSleep;
    case DescriptorKind::kEvent:
    case DescriptorKind::kSignal:
      return CallClass::kOther;
  }
  return by_name;
}

// Of a connection that began with a TLS ClientHello, until the client's side of the handshake is
// over.
enum class Handshake : std::uint16_t {
  kNone = 0,
  kUnderWay = 1,
  kEnded = 2,           // by the client's Finished (TLS 1.3)
  kEndedByRequest = 3,  // the first bytes after it (TLS 1.2: its own Finished has to be answered)
  kTicketsMayCome = 4,  // over (TLS 1.3): what comes next may be the server's session tickets
};

struct Descriptor {
  DescriptorKind kind;   // stored last
  std::uint8_t early;    // bytes that came while tickets may come, in units of four
  std::uint16_t target;  // index in Target[] + 1; 0: none
  union {
    std::uint16_t other;  // descriptor + 1; 0: none
    std::uint16_t asked;  // of hosts: bytes sent since the last answer, at most 65535
  };
  union {
    std::uint16_t woken_class;  // CallClass + 1: what the last thread to write to it had waited for
    Handshake handshake;        // of hosts, which nobody in here writes to
  };
  std::uint32_t generation;  // +1 each time the number gets a new meaning
  std::uint16_t sender;      // ThreadSlot of who last sent on it; 0: none
  std::uint16_t watched_by;  // of hosts: the epoll that watches it, descriptor + 1; 0: unknown
  std::uint64_t connecting;  // ticks at which a non-blocking connect began; 0: none under way
  std::uint64_t sent;        // ticks at which the last question had been sent; 0: none
  std::uint64_t epoll_data;  // the data that epoll_ctl was given for it
  std::uint64_t invocation;  // in which it was last sent to, +1, and kConnection*; 0: never
  std::uint64_t received;    // ticks at which an answer, or more of it, last came; 0: never
};
static_assert(sizeof(Descriptor) == 56);

// Whether what was sent on a connection has not been answered.
inline bool is_unanswered(const Descriptor& entry) {
  return load(entry.sent) > load(entry.received);
}

// Bits of Descriptor::invocation, about its use in that invocation.
inline constexpr std::uint64_t kConnectionBroken = std::uint64_t{1} << 63U;    // and counted so
inline constexpr std::uint64_t kConnectionOld = std::uint64_t{1} << 62U;       // from before it
inline constexpr std::uint64_t kConnectionAnswered = std::uint64_t{1} << 61U;  // since then
inline constexpr std::uint64_t kConnectionBits =
    kConnectionBroken | kConnectionOld | kConnectionAnswered;

// How talking to a host failed. Of a connection one failure is counted, the first.
enum class NetworkFailure : std::uint32_t {
  kRefused = 0,      // ECONNREFUSED
  kReset = 1,        // ECONNRESET, EPIPE: closed by the other side while it was in use
  kStale = 2,        // the same at the first use of a connection from an earlier invocation
  kTimedOut = 3,     // ETIMEDOUT, or closed by this side after a time without an answer
  kUnreachable = 4,  // no route
  kUnknownName = 5,  // the resolver says that there is no such name
  kResolver = 6,     // the resolver does not say
  kHandshake = 7,    // the connection ended before the TLS handshake did
  kNone = 8,         // none of these
};
inline constexpr std::uint32_t kNetworkFailures = 8;

inline constexpr std::uint32_t kFromNobody = UINT32_MAX;  // Target::from: no stack was to be had

// Bits of Target::flags.
inline constexpr std::uint16_t kTargetRuntimeApi = 1;  // the Runtime API: no host of the function's

// What Target::address holds.
inline constexpr std::uint16_t kAddressNone = 0;
inline constexpr std::uint16_t kAddressIp4 = 4;
inline constexpr std::uint16_t kAddressIp6 = 6;
inline constexpr std::uint16_t kAddressUnix = 1;  // `name` is the path

// Counters of one target; which are used depends on its kind.
struct TargetTotals {
  std::uint64_t starts;    // hosts: connects; files, directories: successful opens
  std::uint64_t ticks;     // in calls on it, waits that it ended included
  std::uint64_t received;  // bytes; files: read
  std::uint64_t sent;      // bytes; files: written
  std::uint64_t errors;    // calls that failed (would-block and interruptions do not count)
  // hosts
  std::uint64_t connect_ticks;  // start of connect to connected
  std::uint64_t lookups;        // of its name
  std::uint64_t lookup_ticks;
  std::uint64_t answers;           // times that bytes came after bytes had been sent
  std::uint64_t first_byte_ticks;  // sent to first byte, over all answers
  std::uint64_t reused;            // first use in an invocation of a connection from before it
  // files; a directory's are those of everything below it, named files included
  union {
    struct {
      std::uint64_t reads;
      std::uint64_t writes;
    };
    // Of hosts: those of `errors` that are one of these. They count modulo 2^16.
    std::uint16_t failures[kNetworkFailures];
  };
  union {
    std::uint64_t probes;      // stat, access, readlink, ...
    std::uint64_t handshakes;  // of hosts: TLS handshakes that the client's side has finished
  };
  union {
    std::uint64_t not_found;        // opens and probes that gave ENOENT or ENOTDIR
    std::uint64_t handshake_ticks;  // of hosts: ClientHello sent to the client's last message sent
  };
};

// What every read, write and stat changes, counted for the thread that owns the target: a locked
// add, which several writers would need, costs as much as the rest of a hook. Readers add these to
// TargetTotals.
struct OwnedTotals {
  std::uint64_t ticks;
  std::uint64_t received;
  std::uint64_t sent;
  std::uint64_t reads;
  std::uint64_t writes;
  std::uint64_t probes;  // of directories
};

struct Target {
  std::uint32_t ready;         // 1: everything below up to `totals` is complete
  std::uint16_t address_kind;  // kAddress*
  std::uint16_t port;          // host byte order; 0 unknown
  std::uint16_t flags;
  std::uint16_t directory;  // of a file: index of its directory in Target[] + 1
  std::int32_t owner;       // thread id of the only writer of `owned`; 0: none yet
  union {
    std::uint64_t hash;           // of the key that it is found by
    std::uint64_t longest_ticks;  // of hosts: the longest from question to last byte since START
  };
  std::uint8_t address[16];
  char name[160];       // host name, or path; cut to fit
  std::uint32_t from;   // where it was first asked for: index in Stack[] + 1; 0: not known yet
  std::uint32_t after;  // in Node: of the program's last stack before that; as in `from`
  TargetTotals totals;
  OwnedTotals owned;
};

inline TargetTotals sum_of(TargetTotals totals, const OwnedTotals& owned) {
  totals.ticks += owned.ticks;
  totals.received += owned.received;
  totals.sent += owned.sent;
  totals.reads += owned.reads;
  totals.writes += owned.writes;
  totals.probes += owned.probes;
  return totals;
}

static_assert(kTargetFirst[2] + kTargetRoom[2] == kTargets);

}  // namespace lamprey::recording
