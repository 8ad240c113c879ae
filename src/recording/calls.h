// Names and classes of the calls that a recording counts, from calls.def. No behaviour lives here.
#pragma once

#include <cstdint>

namespace lamprey::recording {

// What the time spent in a call was spent on. A read() of a socket is counted as File here: the
// class belongs to the call, not to the descriptor.
enum class CallClass : std::uint8_t { kFile, kNetwork, kWait, kSleep, kDns };

enum class Call : std::uint16_t {
#define CALL(id, call_class) k_##id,
#include "recording/calls.def"
#undef CALL
};

struct CallInfo {
  const char* name;
  CallClass call_class;
};

inline constexpr CallInfo kCallTable[] = {
#define CALL(id, call_class) {#id, CallClass::k##call_class},
#include "recording/calls.def"
#undef CALL
};

// Whether the call waits for somebody else by its nature, and so is worth a stack each time it is
// entered (0.2 us): what a killed function stood in. Files are not among them, nor what only makes
// or closes a socket, nor sends, which wait for nobody but a full buffer.
constexpr bool may_block(Call call) {
  switch (call) {
    case Call::k_socket:
    case Call::k_send:
    case Call::k_sendto:
    case Call::k_sendmsg:
    case Call::k_sendmmsg:
    case Call::k_epoll_create:
    case Call::k_epoll_create1:
    case Call::k_epoll_ctl:
      return false;
    default:
      return kCallTable[static_cast<std::uint16_t>(call)].call_class != CallClass::kFile;
  }
}

inline constexpr std::uint32_t kCallCount = sizeof(kCallTable) / sizeof(kCallTable[0]);

}  // namespace lamprey::recording
