// A function with much of everything, beside the runtime in client.c: in each invocation 200 call
// sites allocate, 50 hosts (loopback addresses, one listener) are asked, 100 files are read.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>

namespace {

constexpr std::size_t kSites = 200;
constexpr int kHosts = 50;
constexpr int kFiles = 100;
constexpr std::size_t kBlock = 100'000;  // above the mean distance of samples

template <std::size_t N>
__attribute__((noinline)) void* site() {
  static void* kept = nullptr;
  free(kept);
  void* volatile block = malloc(kBlock + N);  // volatile: no tail call, each site is a frame
  kept = block;
  return kept;
}

template <std::size_t... N>
void all_sites(std::index_sequence<N...>) {
  (static_cast<void>(site<N>()), ...);
}

sockaddr_in address_of(std::uint32_t host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(host);
  address.sin_port = port;
  return address;
}

std::uint16_t listening() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = address_of(INADDR_ANY, 0);
  socklen_t size = sizeof(address);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener, kHosts) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    abort();
  }
  std::thread([listener] {
    while (true) {
      const int taken = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      [[maybe_unused]] const ssize_t wrote = write(taken, "hello", 5);
      close(taken);
    }
  }).detach();
  return address.sin_port;
}

void ask(std::uint32_t host, std::uint16_t port) {
  const sockaddr_in address = address_of(host, port);
  const int asked = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  char answer[8];
  if (connect(asked, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      recv(asked, answer, sizeof(answer), 0) != 5) {
    abort();
  }
  close(asked);
}

}  // namespace

extern "C" void handle_event(const char*) {
  static const std::uint16_t port = listening();
  all_sites(std::make_index_sequence<kSites>());
  for (int i = 0; i < kHosts; ++i) {
    ask(INADDR_LOOPBACK + 1 + static_cast<std::uint32_t>(i), port);
  }
  for (int i = 0; i < kFiles; ++i) {
    std::array<char, 64> path{};
    std::snprintf(path.data(), path.size(), "/tmp/wide-%d", i);
    const int file = open(path.data(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    [[maybe_unused]] const ssize_t wrote = write(file, path.data(), path.size());
    close(file);
  }
}
