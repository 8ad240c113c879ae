// TCP sockets by plain system calls; see the header. (Asio would do, but its services and executors
// are 80 KB of a companion that sends one request at a time.)
#include "lambda/tcp.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "descriptors/ready.h"

namespace lamprey::lambda {
namespace {

[[noreturn]] void fail(const char* words) { throw std::runtime_error(words); }

[[noreturn]] void fail() { fail(std::strerror(errno)); }

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Addresses resolve(const std::string& host, const std::string& port, int flags) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_NUMERICSERV | flags;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), port.c_str(), &wanted, &found);
  if (error != 0) {
    error == EAI_SYSTEM ? fail() : fail(gai_strerror(error));
  }
  return Addresses(found);
}

Socket make_socket(const addrinfo& address, int flags) {
  return Socket(socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
}

// A handled signal does not stop a connect that has begun: it goes on without us (connect(2)), and
// how it ended is the socket's error. False: errno says why not.
bool connect_one(const Socket& socket, const addrinfo& address) {
  if (!socket.is_open()) {
    return false;
  }
  if (connect(socket.descriptor(), address.ai_addr, address.ai_addrlen) == 0) {
    return true;
  }
  if (errno != EINTR) {
    return false;
  }
  int error = 0;
  socklen_t size = sizeof(error);
  descriptors::wait_writable(socket.descriptor(), std::nullopt);
  if (getsockopt(socket.descriptor(), SOL_SOCKET, SO_ERROR, &error, &size) == 0) {
    errno = error;
  }
  return errno == 0;
}

}  // namespace

void Socket::reset(int descriptor) {
  if (descriptor_ >= 0) {
    close(descriptor_);
  }
  descriptor_ = descriptor;
}

Socket connect_to(const std::string& api) {
  const std::size_t colon = api.rfind(':');
  const std::string port = colon == std::string::npos ? "80" : api.substr(colon + 1);
  const Addresses list = resolve(api.substr(0, colon), port, 0);
  for (const addrinfo* address = list.get(); address != nullptr; address = address->ai_next) {
    Socket fresh = make_socket(*address, 0);
    if (connect_one(fresh, *address)) {
      const int on = 1;
      setsockopt(fresh.descriptor(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      return fresh;
    }
    if (address->ai_next == nullptr) {
      fail();
    }
  }
  fail("no address");
}

Socket listen_at(const std::string& address) {
  const Addresses list = resolve(address, "0", AI_NUMERICHOST);
  Socket listener = make_socket(*list, SOCK_NONBLOCK);
  if (!listener.is_open() || bind(listener.descriptor(), list->ai_addr, list->ai_addrlen) != 0 ||
      listen(listener.descriptor(), 4) != 0) {
    fail();
  }
  return listener;
}

unsigned port_of(const Socket& listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(listener.descriptor(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    fail();
  }
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<sockaddr_in&>(address).sin_port);
}

Socket accept_from(const Socket& listener) {
  return Socket(accept4(listener.descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

void send_all(const Socket& socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket.descriptor(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR) {
      fail();
    }
    bytes.remove_prefix(sent < 0 ? 0 : static_cast<std::size_t>(sent));
  }
}

Received receive(const Socket& socket, std::string& into, std::size_t most) {
  std::array<char, 4096> buffer;  // NOLINT: only what was received is read
  most = most < buffer.size() ? most : buffer.size();
  ssize_t got = 0;
  do {
    got = recv(socket.descriptor(), buffer.data(), most, 0);
  } while (got < 0 && errno == EINTR);
  if (got > 0) {
    into.append(buffer.data(), static_cast<std::size_t>(got));
    return Received::kBytes;
  }
  if (got < 0 && errno != EAGAIN) {
    fail();
  }
  return got < 0 ? Received::kNothingYet : Received::kEnd;
}

void never_block(const Socket& socket) { fcntl(socket.descriptor(), F_SETFL, O_NONBLOCK); }

}  // namespace lamprey::lambda
