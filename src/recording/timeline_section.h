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

// What a wait for a host was part of; or that it is no wait, but a part of init.
enum class WaitPhase : std::uint8_t {
  kNone = 0,
  kConnect = 1,      // the connection was being made
  kHandshake = 2,    // of TLS
  kImport = 3,       // code of the package `target` was read
  kAfterImport = 4,  // no code was: that of the package ran, or that of whoever imports it
};

constexpr bool is_import(WaitPhase phase) {
  return phase == WaitPhase::kImport || phase == WaitPhase::kAfterImport;
}

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

// The package whose code init reads: since its first file was opened, and until a file of another
// one is. Only the function's own code and its dependencies count, not what belongs to the runtime.
struct Import {
  std::uint64_t began;    // ticks: its first file was about to be opened
  std::uint64_t newest;   // ticks: its newest file had been opened
  std::uint32_t package;  // index in Target[] + 1, of a directory; 0: none, or being written
  std::int32_t tid;       // who opened the first file
  std::uint32_t stack;    // from where; as in Wait
};

inline constexpr std::uint64_t kLeastImportNs = 1'000'000;

// What a package's time until `until` is made of. What ran after its newest file had been opened is
// its own code as a rule, but may be the next line of whoever imports it: where that is most of the
// time, it is told by itself. Returns how many of `parts` are filled, 0 to 2; ticks.
inline std::uint32_t import_parts(const Import& import, std::uint64_t until, Wait (&parts)[2]) {
  if (import.package == 0 || import.began > import.newest || import.newest >= until) {
    return 0;
  }
  const auto part = [&import](WaitPhase phase, std::uint64_t from, std::uint64_t to) {
    return Wait{to,
                to - from,
                static_cast<std::uint16_t>(Call::k_open),
                CallClass::kOther,
                phase,
                import.package,
                import.tid,
                import.stack};
  };
  const std::uint64_t reads = import.newest - import.began;
  if (until - import.newest <= reads) {
    parts[0] = part(WaitPhase::kImport, import.began, until);
    return 1;
  }
  parts[0] = part(WaitPhase::kImport, import.began, import.newest);
  parts[1] = part(WaitPhase::kAfterImport, import.newest, until);
  return 2;
}

}  // namespace lamprey::recording
