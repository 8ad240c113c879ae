// What a call tells us beyond its duration: one small type for each way of behaving, built from
// the call's arguments in symbols.def and asked by intercept.h around the real call.
//
//   int descriptor() const         what the thread is blocked on, for the in-flight record; or -1
//   void before() const            just before the real call
//   bool failed(R) const           is this result an error?
//   int reason(R) const            of a failure: its number. errno is still the call's
//   uint64_t after(R) const        just after a success; returns the bytes it moved
//   CallClass account(...) const   then: counts for the call's target, and says what its time was
//                                  spent on; errno is still the call's
//   int32_t holder() const         only of locks: the thread that holds it, which stands in the
//                                  in-flight record's `descriptor` while the call waits; or -1
//   uint64_t subject() const       only where the in-flight record has one (layout.h, InFlight)
//   R missing<R>()                 what to answer where libc has no such function
//   bool kOften                    what is counted is compiled into each hook: 100 instructions
//                                  fewer a call, 500 bytes more a symbol; for what is made most
//
// All are trivially destructible: nothing may need clean-up across the real call, which is a
// cancellation point and may be left by an exception or a longjmp. `after` and `before` must not
// touch errno.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstdint>
#include <type_traits>

#include "preload/base/page_probe.h"
#include "preload/base/raw_syscall.h"
#include "preload/hooks/first_use.h"
#include "preload/hooks/imports.h"
#include "preload/io/descriptors.h"
#include "preload/io/files.h"
#include "preload/io/hosts.h"
#include "preload/lambda/runtime_api.h"

namespace lamprey::preload::hooks {

using io::Direction;
using io::Spent;
using recording::CallClass;
using recording::DescriptorKind;

// Nothing more to tell.
struct NoFdOp {
  static constexpr bool kOften = false;
  int fd;
  explicit constexpr NoFdOp(int on) : fd(on) {}
  int descriptor() const { return fd; }
  void before() const {}
  template <class R>
  static bool failed(R result) {
    return result == static_cast<R>(-1);
  }
  template <class R>
  static int reason(R) {
    return errno;
  }
  template <class R>
  static std::uint64_t after(R) {
    return 0;
  }
  template <class R>
  static CallClass account(CallClass by_name, const Spent&, R) {
    return by_name;
  }
  template <class R>
  static R missing() {
    if constexpr (std::is_pointer_v<R>) {
      return nullptr;
    } else {
      return static_cast<R>(-1);
    }
  }
};

// A call on a descriptor that moves no bytes.
struct FdOp : NoFdOp {
  using NoFdOp::NoFdOp;
  template <class R>
  CallClass account(CallClass by_name, const Spent& spent, R) const {
    return io::account_io(fd, by_name, spent, Direction::kNeither);
  }
};

// The result is an error number, 0 for success (clock_nanosleep, getaddrinfo).
struct ReturnsError : NoFdOp {
  constexpr ReturnsError() : NoFdOp(-1) {}
  static bool failed(int result) { return result != 0; }
  static int reason(int result) { return result; }
  template <class R>
  static R missing() {
    return ENOSYS;
  }
};

struct NeverFails : NoFdOp {
  static constexpr bool kOften = true;  // readdir(3), which seldom reaches the kernel
  constexpr NeverFails() : NoFdOp(-1) {}
  template <class R>
  static bool failed(R) {
    return false;
  }
};

// Whatever was known of the descriptor no longer holds: closed, or given out anew.
inline void forget_descriptor(int fd) {
  lambda::runtime_api::forget(fd);
  io::forget(fd);
}

// getaddrinfo: names for addresses.
struct Resolves : ReturnsError {
  const char* host;
  addrinfo* const* results;
  Resolves(const char* asked, addrinfo* const* into) : host(asked), results(into) {}
  void before() const { io::resolving(host); }
  CallClass account(CallClass by_name, const Spent& spent, int result) const {
    io::resolved(host, spent.failed ? nullptr : *results, result, spent);
    note_first_use(spent.awaited);
    return by_name;
  }
};

// The result is a new descriptor.
struct Opens : NoFdOp {
  constexpr Opens() : NoFdOp(-1) {}
  static std::uint64_t after(int result) {
    forget_descriptor(result);
    return 0;
  }
};

// An open of a path: the result is a new descriptor, or the path could not be opened.
struct OpensPath : NoFdOp {
  int at;
  const char* path;
  OpensPath(int from, const char* text) : NoFdOp(-1), at(from), path(text) {}
  static std::uint64_t after(int result) {
    forget_descriptor(result);
    return 0;
  }
  CallClass account(CallClass by_name, const Spent& spent, int result) const {
    io::opened(result, at, path, spent);
    note_first_use(spent.awaited);
    imports::note(path, spent);
    return by_name;
  }
};

// A connection of which nobody here chose the far end: traffic, but of no host.
struct Accepts : NoFdOp {
  using NoFdOp::NoFdOp;
  static std::uint64_t after(int result) {
    forget_descriptor(result);
    io::made(result, DescriptorKind::kHost, -1);
    return 0;
  }
};

struct Closes : NoFdOp {
  using NoFdOp::NoFdOp;
  // Before: the moment it is closed, another thread may be given the number.
  void before() const {
    io::closing(fd);
    forget_descriptor(fd);
  }
};

inline void forget_descriptors(unsigned first, unsigned last) {
  lambda::runtime_api::forget_range(first, last);
  io::forget_range(first, last);
}

struct ClosesRange : NoFdOp {
  unsigned first;
  unsigned last;
  ClosesRange(unsigned from, unsigned to, int flags)
      : NoFdOp(-1), first(from), last((flags & 4) != 0 ? 0 : to) {  // 4: CLOSE_RANGE_CLOEXEC
    if (last == 0 && from != 0) {
      first = 1;  // an empty range: nothing is closed now
    }
  }
  void before() const { forget_descriptors(first, last); }
};

struct Replaces : NoFdOp {  // dup2, dup3
  int to;
  Replaces(int from, int onto) : NoFdOp(from), to(onto) {}
  void before() const {
    if (to != fd) {  // dup2(n, n) closes nothing
      forget_descriptor(to);
    }
  }
  CallClass account(CallClass by_name, const Spent& spent, int) const {
    if (!spent.failed) {
      io::copied(fd, to);
    }
    return by_name;
  }
};

struct Connects : NoFdOp {
  const sockaddr* peer;
  socklen_t size;
  Connects(int on, const sockaddr* address, socklen_t bytes)
      : NoFdOp(on), peer(address), size(bytes) {}
  void before() const { io::connecting(fd, peer, size); }
  bool failed(int result) const {
    // A non-blocking connect under way is what was asked for, no error.
    if (result == -1 && errno == EINPROGRESS) {
      lambda::runtime_api::connected(fd);
      return false;
    }
    return result == -1;
  }
  std::uint64_t after(int) const {
    lambda::runtime_api::connected(fd);
    return 0;
  }
  CallClass account(CallClass, const Spent& spent, int result) const {
    const CallClass spent_on = io::connected(fd, spent, result == -1 && !spent.failed);
    note_first_use(spent.awaited, true);
    return spent_on;
  }
};

// What calls that move bytes have in common.
template <Direction kDirection>
struct Transfers : NoFdOp {
  static constexpr bool kOften = true;
  using NoFdOp::NoFdOp;
  template <class R>
  CallClass account(CallClass by_name, const Spent& spent, R) const {
    return io::account_io(fd, by_name, spent, kDirection);
  }
};

// Bytes at a position of a file, or from one file to another: never the Runtime API.
template <Direction kDirection>
struct Moves : Transfers<kDirection> {
  using Transfers<kDirection>::Transfers;
  template <class R>
  static std::uint64_t after(R result) {
    return static_cast<std::uint64_t>(result);
  }
};
using MovesIn = Moves<Direction::kReceives>;
using MovesOut = Moves<Direction::kSends>;

// With MSG_TRUNC (recv(2), tcp(7)) the result counts bytes that were thrown away, and the buffer
// may be NULL: what was said is not there to be read, so the conversation is given up.
inline bool bytes_are_there(int fd, int flags) {
  if ((flags & MSG_TRUNC) != 0) [[unlikely]] {
    lambda::runtime_api::forget(fd);
    return false;
  }
  return true;
}

// A read that gave nothing is the end of what the other side has to say, unless it only peeked.
inline void note_end(int fd, ssize_t result, int flags) {
  if (result == 0 && (flags & (MSG_PEEK | MSG_ERRQUEUE)) == 0) [[unlikely]] {
    io::ended_by_peer(fd);
  }
}

struct Receives : Transfers<Direction::kReceives> {
  const void* buffer;
  int flags;
  Receives(int from, const void* into, int how) : Transfers(from), buffer(into), flags(how) {}
  std::uint64_t after(ssize_t result) const {
    if ((flags & (MSG_PEEK | MSG_ERRQUEUE)) != 0) {
      return 0;  // the same bytes come again: counting both would double them
    }
    const auto size = static_cast<std::uint64_t>(result);
    if (bytes_are_there(fd, flags)) {
      lambda::runtime_api::received(fd, buffer, size);
    }
    return size;
  }
  CallClass account(CallClass by_name, const Spent& spent, ssize_t result) const {
    note_end(fd, result, flags);
    return io::account_io(fd, by_name, spent, Direction::kReceives);
  }
};

struct Sends : Transfers<Direction::kSends> {
  const void* buffer;
  std::size_t size;
  Sends(int to, const void* from, std::size_t bytes) : Transfers(to), buffer(from), size(bytes) {}
  void before() const { lambda::runtime_api::sending(fd, buffer, size); }
  std::uint64_t after(ssize_t result) const {
    lambda::runtime_api::sent(fd, buffer, static_cast<std::size_t>(result));
    return static_cast<std::uint64_t>(result);
  }
};

// sendto(2), as sendmsg(2), names the peer of a datagram where there is no connection.
struct SendsTo : Sends {
  const sockaddr* peer;
  socklen_t peer_size;
  SendsTo(int to, const void* from, std::size_t bytes, const sockaddr* address, socklen_t length)
      : Sends(to, from, bytes), peer(address), peer_size(length) {}
  CallClass account(CallClass by_name, const Spent& spent, ssize_t) const {
    if (peer != nullptr && !spent.failed) [[unlikely]] {
      io::addressed(fd, peer, peer_size);
    }
    return io::account_io(fd, by_name, spent, Direction::kSends);
  }
};

// Hands the first `size` bytes of a vector to `each(data, bytes)`.
template <class Each>
void for_each_piece(const iovec* vectors, std::size_t count, std::uint64_t size, Each each) {
  for (std::size_t i = 0; i < count && size > 0; ++i) {
    const std::size_t piece = vectors[i].iov_len < size ? vectors[i].iov_len : size;
    if (piece > 0) {
      each(vectors[i].iov_base, piece);
    }
    size -= piece;
  }
}

struct ReceivesVectors : Transfers<Direction::kReceives> {
  const iovec* vectors;
  std::size_t count;
  int flags;
  ReceivesVectors(int from, const iovec* into, std::size_t pieces, int how)
      : Transfers(from), vectors(into), count(pieces), flags(how) {}
  std::uint64_t after(ssize_t result) const {
    if ((flags & (MSG_PEEK | MSG_ERRQUEUE)) != 0) {
      return 0;
    }
    const auto size = static_cast<std::uint64_t>(result);
    if (lambda::runtime_api::descriptor_state(fd) != lambda::runtime_api::kPlain &&
        bytes_are_there(fd, flags)) [[unlikely]] {
      for_each_piece(vectors, count, size, [this](const void* data, std::size_t bytes) {
        lambda::runtime_api::received(fd, data, bytes);
      });
    }
    return size;
  }
  CallClass account(CallClass by_name, const Spent& spent, ssize_t result) const {
    note_end(fd, result, flags);
    return io::account_io(fd, by_name, spent, Direction::kReceives);
  }
};

struct SendsVectors : Transfers<Direction::kSends> {
  const iovec* vectors;
  std::size_t count;
  SendsVectors(int to, const iovec* from, std::size_t pieces)
      : Transfers(to), vectors(from), count(pieces) {}
  void before() const {
    if (lambda::runtime_api::descriptor_state(fd) == lambda::runtime_api::kPlain || count == 0)
        [[likely]] {
      return;
    }
    iovec first = {};
    if (page_probe::copy_from_caller(&first, vectors, sizeof(first)) == sizeof(first)) {
      lambda::runtime_api::sending(fd, first.iov_base, first.iov_len);
    }
  }
  std::uint64_t after(ssize_t result) const {
    const auto size = static_cast<std::uint64_t>(result);
    for_each_piece(vectors, count, size, [this](const void* data, std::size_t bytes) {
      lambda::runtime_api::sent(fd, data, bytes);
    });
    return size;
  }
};

struct ReceivesMessage : Transfers<Direction::kReceives> {
  const msghdr* message;
  int flags;
  ReceivesMessage(int from, const msghdr* into, int how)
      : Transfers(from), message(into), flags(how) {}
  std::uint64_t after(ssize_t result) const {
    return ReceivesVectors(fd, message->msg_iov, message->msg_iovlen, flags).after(result);
  }
  CallClass account(CallClass by_name, const Spent& spent, ssize_t result) const {
    note_end(fd, result, flags);
    return io::account_io(fd, by_name, spent, Direction::kReceives);
  }
};

// Pointers are followed only after the kernel has accepted them, and before the call through
// copy_from_caller: a bad one must give EFAULT, not a crash in here.
struct SendsMessage : Transfers<Direction::kSends> {
  const msghdr* message;
  SendsMessage(int to, const msghdr* from) : Transfers(to), message(from) {}
  void before() const {
    if (lambda::runtime_api::descriptor_state(fd) == lambda::runtime_api::kPlain) [[likely]] {
      return;
    }
    msghdr copy = {};
    if (page_probe::copy_from_caller(&copy, message, sizeof(copy)) == sizeof(copy)) {
      SendsVectors(fd, copy.msg_iov, copy.msg_iovlen).before();
    }
  }
  std::uint64_t after(ssize_t result) const {
    return SendsVectors(fd, message->msg_iov, message->msg_iovlen).after(result);
  }
  CallClass account(CallClass by_name, const Spent& spent, ssize_t) const {
    if (!spent.failed && message->msg_name != nullptr) [[unlikely]] {
      io::addressed(fd, static_cast<const sockaddr*>(message->msg_name), message->msg_namelen);
    }
    return io::account_io(fd, by_name, spent, Direction::kSends);
  }
};

struct ReceivesMessages
    : Transfers<Direction::kReceives> {  // recvmmsg: datagrams; the result counts messages
  const mmsghdr* messages;
  int flags;
  ReceivesMessages(int from, const mmsghdr* into, int how)
      : Transfers(from), messages(into), flags(how) {}
  std::uint64_t after(int result) const {
    std::uint64_t bytes = 0;
    for (int i = 0; i < result && (flags & MSG_PEEK) == 0; ++i) {
      bytes += messages[i].msg_len;
    }
    return bytes;
  }
};

// sendmmsg: the result counts messages. All of them go to where the first one goes, almost always.
struct SendsMessages : Transfers<Direction::kSends> {
  const mmsghdr* messages;
  SendsMessages(int to, const mmsghdr* from) : Transfers(to), messages(from) {}
  std::uint64_t after(int result) const {
    std::uint64_t bytes = 0;
    for (int i = 0; i < result; ++i) {
      bytes += messages[i].msg_len;
    }
    return bytes;
  }
  CallClass account(CallClass by_name, const Spent& spent, int result) const {
    const SendsMessage first(fd, result > 0 ? &messages->msg_hdr : nullptr);
    return result > 0 ? first.account(by_name, spent, result)
                      : io::account_io(fd, by_name, spent, Direction::kSends);
  }
};

}  // namespace lamprey::preload::hooks
