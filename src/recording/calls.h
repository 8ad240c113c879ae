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

inline constexpr std::uint32_t kCallCount = sizeof(kCallTable) / sizeof(kCallTable[0]);

}  // namespace lamprey::recording
