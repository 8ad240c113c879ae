// TLS handshakes, told by the types of the records that a client sends (RFC 8446, 5.1): a byte for
// the type, two for the version, two for the length; the rest is never looked at.
#pragma once

#include <cstddef>
#include <cstdint>

#include "recording/targets.h"

namespace lamprey::preload::io::tls {

inline constexpr std::size_t kRecordHead = 5;

// The first bytes of a connection: a handshake record of which the first message is a ClientHello.
inline bool is_client_hello(const char* data, std::size_t size) {
  return size > kRecordHead && data[0] == 0x16 && data[1] == 3 && data[5] == 1;
}

// What these bytes, sent later in the handshake, say. The first record of application data ends it:
// with TLS 1.3 the client's Finished is one, after a change of cipher that means nothing; with TLS
// 1.2 it is the request. A record that goes on in the next send is not followed: what does not
// begin like a record says nothing.
inline recording::Handshake after_sending(const char* data, std::size_t size) {
  constexpr std::uint8_t kChangeCipher = 20;
  constexpr std::uint8_t kData = 23;
  bool first = true;
  for (std::size_t at = 0; at + kRecordHead <= size; first = false) {
    const auto type = static_cast<std::uint8_t>(data[at]);
    if (type < kChangeCipher || type > kData || data[at + 1] != 3) {
      break;
    }
    if (type == kData) {
      return first ? recording::Handshake::kEndedByRequest : recording::Handshake::kEnded;
    }
    const auto high = static_cast<std::uint8_t>(data[at + 3]);
    const auto low = static_cast<std::uint8_t>(data[at + 4]);
    at += kRecordHead + (std::size_t{high} << 8U) + low;
  }
  return recording::Handshake::kUnderWay;
}

}  // namespace lamprey::preload::io::tls
