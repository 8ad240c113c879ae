// Recognises the runtime's own traffic with the Lambda Runtime API among everything the process
// sends and receives, and turns it into the recording's marks:
//
//   GET  .../runtime/invocation/next      END of the invocation before (the first: end of init)
//   200 to it                             START, with request id, deadline, ARN, trace id
//   POST .../invocation/<id>/response     RESPONSE
//   POST .../invocation/<id>/error        RESPONSE, with an error
//   the last byte of either               END, on Managed Instances: `next` ends nothing there
//   200 to GET .../runtime/restore/next   restored from a snapshot
//
// Recognition is by what is said, not by address: a connection whose first request line starts
// with "GET /2018-06-01/runtime/" or "POST /2018-06-01/runtime/" is one, wherever it leads. So a
// proxy on another port, or an AWS_LAMBDA_RUNTIME_API that another wrapper rewrote after us, needs
// no configuration.
//
// The hooks of reads, writes and connects call in here. For a descriptor that is no Runtime API
// connection, that is one byte looked up and, for writes, eight bytes compared. No function here
// allocates. On a Runtime API connection that two threads use at the same instant the second waits
// until the first is done with these bytes, and an answer until its request was seen: microseconds,
// 100 ms at most (then what it has is skipped, and counted in Header::traffic_dropped). A signal
// handler never waits for its own thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "preload/base/page_probe.h"

namespace lamprey::preload::lambda::runtime_api {

// Lambda allows 1,024 descriptors; a higher one is simply not followed.
inline constexpr int kDescriptors = 16384;

inline constexpr std::uint8_t kPlain = 0;
inline constexpr std::uint8_t kFresh = 255;  // connected, nothing sent yet
inline constexpr std::uint8_t kTls = 254;    // a TLS handshake is under way
// 1 .. 253: index of its conversation + 1

inline constexpr std::size_t kPrefixBytes = 25;  // "POST /2018-06-01/runtime/"

[[gnu::visibility("hidden")]] extern std::uint8_t g_descriptor[kDescriptors];

inline std::uint8_t descriptor_state(int fd) {
  return static_cast<unsigned>(fd) < kDescriptors ? g_descriptor[fd] : kPlain;
}

// The first eight bytes of a Runtime API request. /dev/null takes bytes that are not there, so that
// a write succeeded says nothing of them.
inline bool may_be_request(const void* data, std::size_t size) {
  if (size < 24 || !page_probe::readable(reinterpret_cast<std::uintptr_t>(data),
                                         size < kPrefixBytes ? size : kPrefixBytes)) {
    return false;
  }
  std::uint64_t head = 0;
  __builtin_memcpy(&head, data, sizeof(head));
  return head == 0x3130322F20544547U /* "GET /201" */ ||
         head == 0x30322F2054534F50U /* "POST /20" */;
}

void sending_slow(int fd, const char* data, std::size_t size);
void sent_slow(int fd, const char* data, std::size_t size);
void received_slow(int fd, const char* data, std::size_t size);
void forget_slow(int fd);

// Before the real call: if this asks for the next invocation, the one before has ended. Marked
// before the bytes leave, because afterwards the environment may be frozen at any instant.
// `data` is not looked at here: it may be a bad pointer, which only the kernel may judge (EFAULT).
inline void sending(int fd, const void* data, std::size_t size) {
  if (descriptor_state(fd) != kPlain) [[unlikely]] {
    sending_slow(fd, static_cast<const char*>(data), size);
  }
}

// After the real call took `size` bytes of `data`.
inline void sent(int fd, const void* data, std::size_t size) {
  if (descriptor_state(fd) != kPlain || may_be_request(data, size)) [[unlikely]] {
    sent_slow(fd, static_cast<const char*>(data), size);
  }
}

// After the real call put `size` bytes into `data`.
inline void received(int fd, const void* data, std::size_t size) {
  const std::uint8_t state = descriptor_state(fd);
  if (state != kPlain && state < kTls) [[unlikely]] {
    received_slow(fd, static_cast<const char*>(data), size);
  }
}

// A connect that succeeded or is under way.
void connected(int fd);

// The number now means something else: closed, or given out anew.
inline void forget(int fd) {
  if (descriptor_state(fd) != kPlain) [[unlikely]] {
    forget_slow(fd);
  }
}

// All of [first, last] are closed.
void forget_range(unsigned first, unsigned last);

// Whether this process has ever sent a request to the Runtime API.
bool was_spoken_to();

// A forked child starts without conversations.
void forget_all();

}  // namespace lamprey::preload::lambda::runtime_api
