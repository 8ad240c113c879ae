// TCP to and from this machine's APIs: descriptors that close themselves, and the four things that
// are done with them. No protocol lives here.
//
// Failures are thrown as std::runtime_error in the words of the system. One thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lamprey::lambda {

// Owns a descriptor; -1: none.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  ~Socket() { reset(); }
  Socket(Socket&& other) noexcept : descriptor_(other.release()) {}
  Socket& operator=(Socket&& other) noexcept {
    reset(other.release());
    return *this;
  }

  bool is_open() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }
  void reset(int descriptor = -1);

 private:
  int release() {
    const int descriptor = descriptor_;
    descriptor_ = -1;
    return descriptor;
  }

  int descriptor_ = -1;
};

// Connects to "host:port" (port 80 when none is said), without delay of small writes. The host is a
// numeric address or a name in /etc/hosts.
Socket connect_to(const std::string& api);

// Listens, without ever blocking, on any port of a numeric address; connections that are taken from
// it do not block either.
Socket listen_at(const std::string& host);
unsigned port_of(const Socket& listener);
// The next connection that waits; a closed socket where there is none.
Socket accept_from(const Socket& listener);

void send_all(const Socket& socket, std::string_view bytes);

enum class Received : unsigned char { kBytes, kNothingYet, kEnd };
// Appends up to `most` bytes to `into`. Blocks where the socket does.
Received receive(const Socket& socket, std::string& into, std::size_t most);
void never_block(const Socket& socket);

}  // namespace lamprey::lambda
