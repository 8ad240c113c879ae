// Reader: what a thread's call in flight leads to, in words. Numbers become text here and nowhere
// else.
#include <arpa/inet.h>
#include <fmt/format.h>

#include "recording/reader.h"

namespace lamprey::recording {
namespace {

std::string address_text(const Peer& peer) {
  char text[INET6_ADDRSTRLEN] = {};
  const bool ip6 = peer.state == kPeerIp6;
  if (inet_ntop(ip6 ? AF_INET6 : AF_INET, peer.address, text, sizeof(text)) == nullptr) {
    return {};
  }
  return ip6 ? fmt::format("[{}]:{}", text, peer.port) : fmt::format("{}:{}", text, peer.port);
}

}  // namespace

// "10.0.3.17:5432 (db.internal)", "unix:/run/x.sock", a host name for getaddrinfo; empty: unknown.
std::string Reader::target_of(const ThreadSlot& slot, Call call) {
  if (call == Call::k_getaddrinfo) {
    return {slot.resolving, strnlen(slot.resolving, sizeof(slot.resolving))};
  }
  return peer_text(slot.in_flight.descriptor);
}

std::string Reader::peer_text(std::int32_t descriptor) {
  if (descriptor < 0 || static_cast<std::uint32_t>(descriptor) >= header_->peers.count) {
    return {};
  }
  Peer peer{};
  const std::uint64_t offset =
      header_->peers.offset + (static_cast<std::uint64_t>(descriptor) * sizeof(Peer));
  if (!read_at(offset, &peer, sizeof(peer))) {
    drop("peers: an entry could not be read");
    return {};
  }
  const std::string name(peer.name, strnlen(peer.name, sizeof(peer.name)));
  switch (peer.state) {
    case kPeerUnix:
      return "unix:" + name;
    case kPeerIp4:
    case kPeerIp6:
      return name.empty() ? address_text(peer) : fmt::format("{} ({})", address_text(peer), name);
    case kPeerNone:
      return {};
    default:
      drop(fmt::format("peer of descriptor {}: state {} does not exist", descriptor, peer.state));
      return {};
  }
}

}  // namespace lamprey::recording
