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

inline constexpr std::uint32_t kCallCount = sizeof(kCallTable) / sizeof(kCallTable[0]);

}  // namespace lamprey::recording
