// What a call tells us beyond its duration: one small type for each way of behaving, built from
// the call's arguments in symbols.def and asked by intercept.h around the real call.
//
//   int descriptor() const         what the thread is blocked on, for the in-flight record; or -1
//   void before() const            just before the real call
//   bool failed(R) const           is this result an error?
//   int reason(R) const            of a failure: its number. errno is still the call's
//   uint64_t after(R) const        just after a success; returns the bytes it moved
//   CallClass account(...) const   then: counts for what the call was on, and says what its time
//   was
//                                  spent on; errno is still the call's
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

#include "preload/raw_syscall.h"
#include "preload/runtime_api.h"
#include "preload/targets.h"

namespace lamprey::preload {

using recording::CallClass;
using recording::DescriptorKind;
using targets::Way;

// Nothing more to tell.
struct Plain {
  static constexpr bool kOften = false;
  int fd;
  explicit constexpr Plain(int on) : fd(on) {}
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
struct On : Plain {
  using Plain::Plain;
  template <class R>
  CallClass account(CallClass by_name, const Spent& spent, R) const {
    return targets::used(fd, by_name, spent, Way::kNeither);
  }
};

// The result is an error number, 0 for success (clock_nanosleep, getaddrinfo).
struct ReturnsError : Plain {
  constexpr ReturnsError() : Plain(-1) {}
  static bool failed(int result) { return result != 0; }
  static int reason(int result) { return result; }
  template <class R>
  static R missing() {
    return ENOSYS;
  }
};

struct NeverFails : Plain {
  static constexpr bool kOften = true;  // readdir(3), which seldom reaches the kernel
  constexpr NeverFails() : Plain(-1) {}
  template <class R>
  static bool failed(R) {
    return false;
  }
};

// Whatever was known of the descriptor no longer holds: closed, or given out anew.
inline void forget_descriptor(int fd) {
  runtime_api::forget(fd);
  targets::forget(fd);
}

// getaddrinfo: names for addresses.
struct Resolves : ReturnsError {
  const char* host;
  addrinfo* const* results;
  Resolves(const char* asked, addrinfo* const* into) : host(asked), results(into) {}
  void before() const { targets::resolving(host); }
  CallClass account(CallClass by_name, const Spent& spent, int) const {
    targets::resolved(host, spent.failed ? nullptr : *results, spent);
    return by_name;
  }
};

// The result is a new descriptor.
struct Opens : Plain {
  constexpr Opens() : Plain(-1) {}
  static std::uint64_t after(int result) {
    forget_descriptor(result);
    return 0;
  }
};

// An open of a path: the result is a new descriptor, or the path could not be opened.
struct OpensPath : Plain {
  int at;
  const char* path;
  OpensPath(int from, const char* text) : Plain(-1), at(from), path(text) {}
  static std::uint64_t after(int result) {
    forget_descriptor(result);
    return 0;
  }
  CallClass account(CallClass by_name, const Spent& spent, int result) const {
    targets::opened(result, at, path, spent);
    return by_name;
  }
};

// A connection of which nobody here chose the far end: traffic, but of no host.
struct Accepts : Plain {
  using Plain::Plain;
  static std::uint64_t after(int result) {
    forget_descriptor(result);
    targets::made(result, DescriptorKind::kHost, -1);
    return 0;
  }
};

struct Closes : Plain {
  using Plain::Plain;
  // Before: the moment it is closed, another thread may be given the number.
  void before() const { forget_descriptor(fd); }
};

inline void forget_descriptors(unsigned first, unsigned last) {
  runtime_api::forget_range(first, last);
  targets::forget_range(first, last);
}

struct ClosesRange : Plain {
  unsigned first;
  unsigned last;
  ClosesRange(unsigned from, unsigned to, int flags)
      : Plain(-1), first(from), last((flags & 4) != 0 ? 0 : to) {  // 4: CLOSE_RANGE_CLOEXEC
    if (last == 0 && from != 0) {
      first = 1;  // an empty range: nothing is closed now
    }
  }
  void before() const { forget_descriptors(first, last); }
};

struct Replaces : Plain {  // dup2, dup3
  int to;
  Replaces(int from, int onto) : Plain(from), to(onto) {}
  void before() const {
    if (to != fd) {  // dup2(n, n) closes nothing
      forget_descriptor(to);
    }
  }
  CallClass account(CallClass by_name, const Spent& spent, int) const {
    if (!spent.failed) {
      targets::copied(fd, to);
    }
    return by_name;
  }
};

struct Connects : Plain {
  const sockaddr* peer;
  socklen_t size;
  Connects(int on, const sockaddr* address, socklen_t bytes)
      : Plain(on), peer(address), size(bytes) {}
  void before() const { targets::connecting(fd, peer, size); }
  bool failed(int result) const {
    // A non-blocking connect under way is what was asked for, no error.
    if (result == -1 && errno == EINPROGRESS) {
      runtime_api::connected(fd);
      return false;
    }
    return result == -1;
  }
  std::uint64_t after(int) const {
    runtime_api::connected(fd);
    return 0;
  }
  CallClass account(CallClass, const Spent& spent, int result) const {
    return targets::connected(fd, spent, result == -1 && !spent.failed);
  }
};

// What calls that move bytes have in common.
template <Way kWay>
struct Transfers : Plain {
  static constexpr bool kOften = true;
  using Plain::Plain;
  template <class R>
  CallClass account(CallClass by_name, const Spent& spent, R) const {
    return targets::used(fd, by_name, spent, kWay);
  }
};

// Bytes at a position of a file, or from one file to another: never the Runtime API.
template <Way kWay>
struct Moves : Transfers<kWay> {
  using Transfers<kWay>::Transfers;
  template <class R>
  static std::uint64_t after(R result) {
    return static_cast<std::uint64_t>(result);
  }
};
using MovesIn = Moves<Way::kReceives>;
using MovesOut = Moves<Way::kSends>;

// With MSG_TRUNC (recv(2), tcp(7)) the result counts bytes that were thrown away, and the buffer
// may be NULL: what was said is not there to be read, so the conversation is given up.
inline bool bytes_are_there(int fd, int flags) {
  if ((flags & MSG_TRUNC) != 0) [[unlikely]] {
    runtime_api::forget(fd);
    return false;
  }
  return true;
}

struct Receives : Transfers<Way::kReceives> {
  const void* buffer;
  int flags;
  Receives(int from, const void* into, int how) : Transfers(from), buffer(into), flags(how) {}
  std::uint64_t after(ssize_t result) const {
    if ((flags & (MSG_PEEK | MSG_ERRQUEUE)) != 0) {
      return 0;  // the same bytes come again: counting both would double them
    }
    const auto size = static_cast<std::uint64_t>(result);
    if (bytes_are_there(fd, flags)) {
      runtime_api::received(fd, buffer, size);
    }
    return size;
  }
};

struct Sends : Transfers<Way::kSends> {
  const void* buffer;
  std::size_t size;
  Sends(int to, const void* from, std::size_t bytes) : Transfers(to), buffer(from), size(bytes) {}
  void before() const { runtime_api::sending(fd, buffer, size); }
  std::uint64_t after(ssize_t result) const {
    runtime_api::sent(fd, buffer, static_cast<std::size_t>(result));
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
      targets::addressed(fd, peer, peer_size);
    }
    return targets::used(fd, by_name, spent, Way::kSends);
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

struct ReceivesVectors : Transfers<Way::kReceives> {
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
    if (runtime_api::descriptor_state(fd) != runtime_api::kPlain && bytes_are_there(fd, flags))
        [[unlikely]] {
      for_each_piece(vectors, count, size, [this](const void* data, std::size_t bytes) {
        runtime_api::received(fd, data, bytes);
      });
    }
    return size;
  }
};

struct SendsVectors : Transfers<Way::kSends> {
  const iovec* vectors;
  std::size_t count;
  SendsVectors(int to, const iovec* from, std::size_t pieces)
      : Transfers(to), vectors(from), count(pieces) {}
  void before() const {
    if (runtime_api::descriptor_state(fd) == runtime_api::kPlain || count == 0) [[likely]] {
      return;
    }
    iovec first = {};
    if (copy_from_caller(&first, vectors, sizeof(first)) == sizeof(first)) {
      runtime_api::sending(fd, first.iov_base, first.iov_len);
    }
  }
  std::uint64_t after(ssize_t result) const {
    const auto size = static_cast<std::uint64_t>(result);
    for_each_piece(vectors, count, size, [this](const void* data, std::size_t bytes) {
      runtime_api::sent(fd, data, bytes);
    });
    return size;
  }
};

struct ReceivesMessage : Transfers<Way::kReceives> {
  const msghdr* message;
  int flags;
  ReceivesMessage(int from, const msghdr* into, int how)
      : Transfers(from), message(into), flags(how) {}
  std::uint64_t after(ssize_t result) const {
    return ReceivesVectors(fd, message->msg_iov, message->msg_iovlen, flags).after(result);
  }
};

// Pointers are followed only after the kernel has accepted them, and before the call through
// copy_from_caller: a bad one must give EFAULT, not a crash in here.
struct SendsMessage : Transfers<Way::kSends> {
  const msghdr* message;
  SendsMessage(int to, const msghdr* from) : Transfers(to), message(from) {}
  void before() const {
    if (runtime_api::descriptor_state(fd) == runtime_api::kPlain) [[likely]] {
      return;
    }
    msghdr copy = {};
    if (copy_from_caller(&copy, message, sizeof(copy)) == sizeof(copy)) {
      SendsVectors(fd, copy.msg_iov, copy.msg_iovlen).before();
    }
  }
  std::uint64_t after(ssize_t result) const {
    return SendsVectors(fd, message->msg_iov, message->msg_iovlen).after(result);
  }
  CallClass account(CallClass by_name, const Spent& spent, ssize_t) const {
    if (!spent.failed && message->msg_name != nullptr) [[unlikely]] {
      targets::addressed(fd, static_cast<const sockaddr*>(message->msg_name), message->msg_namelen);
    }
    return targets::used(fd, by_name, spent, Way::kSends);
  }
};

struct ReceivesMessages
    : Transfers<Way::kReceives> {  // recvmmsg: datagrams; the result counts messages
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
struct SendsMessages : Transfers<Way::kSends> {
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
                      : targets::used(fd, by_name, spent, Way::kSends);
  }
};

}  // namespace lamprey::preload
