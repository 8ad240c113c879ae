// Where sockets lead: the table of peers in the recording (layout.h, Peer), so that a thread found
// blocked in recv(7) can be said to be waiting for "10.0.3.17:5432 (db.internal)".
//
// A peer is noted before the real connect, for a connect may be the call that never returns. Names
// come from the process's own getaddrinfo calls: the last kNames answers are remembered.
//
// Only addresses and host names are kept, nothing that was sent. No allocation, no lock; an entry
// has one meaning at a time, and a reader that meets one half-written sees state kNone.
#pragma once

#include <netdb.h>
#include <sys/socket.h>

#include "preload/thread.h"
#include "recording/layout.h"

namespace lamprey::preload::peers {

// How many addresses keep their names. A function talks to a handful of hosts.
inline constexpr std::size_t kNames = 64;

// Before a connect. `address` may be a bad pointer.
void connecting(int fd, const sockaddr* address, socklen_t size);

// Before a getaddrinfo: what the calling thread is about to ask for. `host` may be nullptr.
void resolving(const char* host);

// After one that succeeded.
void resolved(const char* host, const addrinfo* results);

void forget_slow(int fd);

// Whether the number is a socket that was connected.
inline bool is_connected(int fd) {
  return static_cast<unsigned>(fd) < recording::kPeers &&
         recording::load(g_writer.peer(fd).state) != recording::kPeerNone;
}

// The number now means something else.
inline void forget(int fd) {
  if (static_cast<unsigned>(fd) < recording::kPeers &&
      recording::load(g_writer.peer(fd).state) != recording::kPeerNone) [[unlikely]] {
    forget_slow(fd);
  }
}

}  // namespace lamprey::preload::peers
