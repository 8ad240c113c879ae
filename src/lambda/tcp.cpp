// TCP sockets by plain system calls; see the header. (Asio would do, but its services and executors
// are 80 KB of a companion that sends one request at a time.)
#include "lambda/tcp.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <stdexcept>

#include "descriptors/ready.h"
#include "lambda/hosts_file.h"

namespace lamprey::lambda {
namespace {

[[noreturn]] void fail() { throw std::runtime_error(std::strerror(errno)); }

struct Address {
  sockaddr_storage place{};
  socklen_t size = 0;
};

// Of a numeric address ("127.0.0.1", "[::1]"), or of a name in /etc/hosts.
Address address_of(std::string host, std::uint16_t port) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  for (const bool is_name : {true, false}) {
    Address found;
    auto& ipv4 = reinterpret_cast<sockaddr_in&>(found.place);
    auto& ipv6 = reinterpret_cast<sockaddr_in6&>(found.place);
    if (inet_pton(AF_INET, host.c_str(), &ipv4.sin_addr) == 1) {
      ipv4.sin_family = AF_INET;
      ipv4.sin_port = htons(port);
      found.size = sizeof(ipv4);
      return found;
    }
    if (inet_pton(AF_INET6, host.c_str(), &ipv6.sin6_addr) == 1) {
      ipv6.sin6_family = AF_INET6;
      ipv6.sin6_port = htons(port);
      found.size = sizeof(ipv6);
      return found;
    }
    if (is_name) {
      host = address_in(read_hosts_file(), host).value_or(host);
    }
  }
  throw std::runtime_error(host + " is neither an address nor a name in /etc/hosts");
}

std::uint16_t port_in(std::string_view text) {
  std::uint16_t port = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), port);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size()) {
    throw std::runtime_error(std::string(text) + " is no port");
  }
  return port;
}

Socket make_socket(const Address& address, int flags) {
  return Socket(socket(address.place.ss_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
}

// A handled signal does not stop a connect that has begun: it goes on without us (connect(2)), and
// how it ended is the socket's error. False: errno says why not.
bool connect_one(const Socket& socket, const Address& address) {
  if (!socket.is_open()) {
    return false;
  }
  const auto* place = reinterpret_cast<const sockaddr*>(&address.place);
  if (connect(socket.descriptor(), place, address.size) == 0) {
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
  const bool has_port = colon != std::string::npos && api.back() != ']';
  const Address address = address_of(has_port ? api.substr(0, colon) : api,
                                     has_port ? port_in(api.substr(colon + 1)) : 80);
  Socket fresh = make_socket(address, 0);
  if (!connect_one(fresh, address)) {
    fail();
  }
  const int on = 1;
  setsockopt(fresh.descriptor(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return fresh;
}

Socket listen_at(const std::string& host) {
  const Address address = address_of(host, 0);
  const auto* place = reinterpret_cast<const sockaddr*>(&address.place);
  Socket listener = make_socket(address, SOCK_NONBLOCK);
  if (!listener.is_open() || bind(listener.descriptor(), place, address.size) != 0 ||
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
