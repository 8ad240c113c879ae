// Notes peers and remembers names. See peers.h.
#include "preload/peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "preload/raw_syscall.h"
#include "preload/text.h"

namespace lamprey::preload::peers {
namespace {

using recording::Peer;

struct Address {
  std::uint32_t family;  // kPeerIp4, kPeerIp6; 0: an empty entry
  std::uint8_t bytes[16];
};

struct Name {
  std::uint32_t ready;
  Address address;
  char host[64];
};

Name g_names[kNames];
std::uint32_t g_next_name = 0;

bool same(const Address& a, const Address& b) {
  if (a.family != b.family) {
    return false;
  }
  for (std::size_t i = 0; i < sizeof(a.bytes); ++i) {
    if (a.bytes[i] != b.bytes[i]) {
      return false;
    }
  }
  return true;
}

// The address of an AF_INET or AF_INET6 socket address, and its port. An IPv4 address mapped into
// IPv6 (what dual-stack runtimes like Java connect to) is the IPv4 address.
Address address_of(const sockaddr_storage& from, std::uint16_t& port) {
  Address address = {};
  if (from.ss_family == AF_INET) {
    const auto& ip4 = reinterpret_cast<const sockaddr_in&>(from);
    address.family = recording::kPeerIp4;
    __builtin_memcpy(address.bytes, &ip4.sin_addr, 4);
    port = __builtin_bswap16(ip4.sin_port);
  } else if (from.ss_family == AF_INET6) {
    const auto& ip6 = reinterpret_cast<const sockaddr_in6&>(from);
    static constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    port = __builtin_bswap16(ip6.sin6_port);
    if (__builtin_memcmp(&ip6.sin6_addr, kMapped, sizeof(kMapped)) == 0) {
      address.family = recording::kPeerIp4;
      __builtin_memcpy(address.bytes, reinterpret_cast<const char*>(&ip6.sin6_addr) + 12, 4);
    } else {
      address.family = recording::kPeerIp6;
      __builtin_memcpy(address.bytes, &ip6.sin6_addr, 16);
    }
  }
  return address;
}

void name_of(const Address& address, char* into, std::size_t capacity) {
  into[0] = '\0';
  for (const Name& name : g_names) {
    if (__atomic_load_n(&name.ready, __ATOMIC_ACQUIRE) != 0 && same(name.address, address)) {
      copy_text(into, capacity, name.host);
      return;
    }
  }
}

}  // namespace

void connecting(int fd, const sockaddr* address, socklen_t size) {
  if (static_cast<unsigned>(fd) >= recording::kPeers || address == nullptr) {
    return;
  }
  sockaddr_storage copy = {};
  const std::size_t wanted = size < sizeof(copy) ? size : sizeof(copy) - 1;
  const std::size_t got = copy_from_caller(&copy, address, wanted);
  Peer& peer = g_writer.peer(fd);
  __atomic_store_n(&peer.state, recording::kPeerNone, __ATOMIC_RELEASE);
  if (got < sizeof(sa_family_t)) {
    return;
  }
  std::uint32_t state = recording::kPeerNone;
  if (copy.ss_family == AF_UNIX) {
    const auto& local = reinterpret_cast<const sockaddr_un&>(copy);
    // An abstract name begins with NUL; it is written with '@', as ss(8) does.
    const bool abstract = local.sun_path[0] == '\0';
    peer.name[0] = '@';
    copy_text(peer.name + (abstract ? 1 : 0), sizeof(peer.name) - 1,
              local.sun_path + (abstract ? 1 : 0));
    state = recording::kPeerUnix;
  } else {
    std::uint16_t port = 0;
    const Address found = address_of(copy, port);
    state = found.family;
    peer.port = port;
    __builtin_memcpy(peer.address, found.bytes, sizeof(peer.address));
    name_of(found, peer.name, sizeof(peer.name));
  }
  __atomic_store_n(&peer.state, state, __ATOMIC_RELEASE);
}

void resolving(const char* host) {
  recording::ThreadSlot* slot = current_slot();
  if (slot != nullptr) {
    copy_text(slot->resolving, host);  // getaddrinfo itself reads it next: no worse pointer for us
  }
}

void resolved(const char* host, const addrinfo* results) {
  if (host == nullptr) {
    return;
  }
  int most = 8;  // of one answer: the addresses that a client tries
  for (const addrinfo* result = results; result != nullptr && most > 0; result = result->ai_next) {
    if (result->ai_addr == nullptr || result->ai_addrlen > sizeof(sockaddr_storage)) {
      continue;
    }
    sockaddr_storage copy = {};
    __builtin_memcpy(&copy, result->ai_addr, result->ai_addrlen);
    std::uint16_t port = 0;
    const Address address = address_of(copy, port);
    char known[sizeof(Name::host)];
    name_of(address, known, sizeof(known));
    if (address.family == 0 || equal(known, host)) {
      continue;  // one address comes once for each socket type
    }
    --most;
    Name& name = g_names[__atomic_fetch_add(&g_next_name, 1U, __ATOMIC_RELAXED) % kNames];
    __atomic_store_n(&name.ready, 0U, __ATOMIC_RELEASE);
    name.address = address;
    copy_text(name.host, host);
    __atomic_store_n(&name.ready, 1U, __ATOMIC_RELEASE);
  }
}

void forget_slow(int fd) {
  // As in runtime_api.cpp: a vfork child closes its own descriptors in our memory.
  if (raw_syscall(SYS_getpid) == g_writer.header().pid) {
    __atomic_store_n(&g_writer.peer(fd).state, recording::kPeerNone, __ATOMIC_RELEASE);
  }
}

}  // namespace lamprey::preload::peers
