// Names and classes of the calls that a recording counts, from calls.def. No behaviour lives here.
#pragma once

#include <cstdint>

namespace lamprey::recording {

// What the time spent in a call was spent on, as far as the call's name tells. Where the descriptor
// tells more (a read() of a socket, a poll() that a pipe ended) the account of a thread's time
// (ThreadSlot::class_ticks) follows the descriptor. kWait: a wait that nothing is known of.
enum class CallClass : std::uint8_t {
  kFile,
  kNetwork,
  kWait,
  kSleep,
  kDns,
  kLock,
  kChild,
  kOther,
};
inline constexpr std::uint32_t kCallClasses = 8;

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
// entered (0.2 us): what a killed function stood in. Files are not among them, but for locks on
// them, nor what only makes or closes a descriptor, nor sends, which wait for nobody but a full
// buffer.
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
    case Call::k_fork:
    case Call::k_socketpair:
    case Call::k_shutdown:
    case Call::k_getsockopt:
    case Call::k_setsockopt:
    case Call::k_pipe:
    case Call::k_eventfd:
    case Call::k_timerfd:
    case Call::k_signalfd:
    case Call::k_getrandom:
    case Call::k_syscall:
      return false;
    case Call::k_flock:
      return true;
    default:
      return kCallTable[static_cast<std::uint16_t>(call)].call_class != CallClass::kFile;
  }
}

inline constexpr std::uint32_t kCallCount = sizeof(kCallTable) / sizeof(kCallTable[0]);

}  // namespace lamprey::recording
