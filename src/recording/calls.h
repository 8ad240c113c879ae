// Names and classes of the calls that a recording counts, from calls.def. No behaviour lives here.
#pragma once

#include <cstdint>

namespace lamprey::recording {

// What the time in a call is spent on, judged by the call's name. Where the descriptor says more (a
// read() of a socket, a poll() that a pipe ended), a thread's class times (ThreadSlot::class_ticks)
// follow the descriptor. kWait: a wait whose cause is unknown.
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

// Whether the call by its nature waits for somebody else. Its stack is then taken each time it is
// entered (0.2 us), to show where a killed function stood. Not among them: calls on files, except
// locks; calls that only make or close a descriptor; sends, which wait only for a full buffer.
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
    case Call::k_pthread_create:
    case Call::k_sem_open:
    case Call::k_shm_open:
      return false;
    case Call::k_flock:
      return true;
    default:
      return kCallTable[static_cast<std::uint16_t>(call)].call_class != CallClass::kFile;
  }
}

// Waits of an event loop: only its connections tell what it waits for.
constexpr bool is_loop_wait(Call call) {
  switch (call) {
    case Call::k_epoll_wait:
    case Call::k_epoll_pwait:
    case Call::k_epoll_pwait2:
    case Call::k_poll:
    case Call::k_ppoll:
    case Call::k_select:
    case Call::k_pselect:
      return true;
    default:
      return false;
  }
}

inline constexpr std::uint32_t kCallCount = sizeof(kCallTable) / sizeof(kCallTable[0]);

}  // namespace lamprey::recording
