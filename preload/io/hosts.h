// Hosts: whom a socket leads to, and under which name. The names that were looked up are names.h's,
// the descriptor table descriptors.h's.
//
// Nothing here allocates, locks or touches errno. System calls: process_vm_readv and getpid before
// a connect (a bad pointer must give EFAULT), getpeername for a socket of unknown origin.
#pragma once

#include <netdb.h>
#include <sys/socket.h>

#include "preload/io/descriptors.h"

namespace lamprey::preload::io {

// Before a connect: it may be the call that never returns. `address` may be a bad pointer.
void connecting(int fd, const sockaddr* address, socklen_t size);
// After it. `under_way`: a non-blocking one that goes on.
CallClass connected(int fd, const Spent& spent, bool under_way);
// A datagram was sent to this address: the socket is that host's, until one goes elsewhere.
void addressed(int fd, const sockaddr* address, socklen_t size);
// SO_ERROR was asked for, and is `error`: a connect that was under way has ended.
void connect_ended(int fd, int error, const Spent& spent);
// How far the TLS handshake on it has come, before the send that says so is counted.
void handshake_is(int fd, recording::Handshake state);
// The socket's host is the Runtime API.
void is_runtime_api(int fd);
// Before a getaddrinfo: what the calling thread is about to ask for. `host` may be nullptr.
void resolving(const char* host);
// After one. `error`: what it returned; `results` of a success.
void resolved(const char* host, const addrinfo* results, int error, const Spent& spent);
// After another kind of lookup, of which only the time is taken and how it failed.
void looked_up(const char* host, const Spent& spent, recording::NetworkFailure failure);

}  // namespace lamprey::preload::io
