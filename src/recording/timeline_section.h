// The part of a recording that says when the waits of an invocation began and how long they took.
// Part of the contract of layout.h; nothing here reads or writes a recording.
//
// Two banks of kWaits entries: init and invocation n fill bank n % 2, so that one can be read while
// the next invocation runs. A bank is not cleared at START: entries of before end outside the
// invocation, which is how readers know them. When a bank is full, a longer wait takes the place of
// the shortest. Nothing is kept where several invocations run at a time.
#pragma once

#include <cstdint>

#include "recording/calls.h"

namespace lamprey::recording {

inline constexpr std::uint32_t kWaitBanks = 2;
inline constexpr std::uint32_t kWaits = 96;  // of a bank
inline constexpr std::uint64_t kLeastWaitNs = 200'000;

// What a wait for a host was part of.
enum class WaitPhase : std::uint8_t {
  kNone = 0,
  kConnect = 1,    // the connection was being made
  kHandshake = 2,  // of TLS
};

struct Wait {
  std::uint64_t ended;  // ticks
  std::uint64_t ticks;  // it took, without idle time; stored last, 0: free, or being written
  std::uint16_t call;   // a Call
  CallClass spent_on;
  WaitPhase phase;
  std::uint32_t target;  // index in Target[] + 1; 0: none, or not known
  std::int32_t tid;
  std::uint32_t stack;  // from where: index in Stack[] + 1; 0: not taken
};
static_assert(sizeof(Wait) == 32);

struct Timeline {
  Wait banks[kWaitBanks][kWaits];
};

}  // namespace lamprey::recording
