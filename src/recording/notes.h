// Notes: what is said once in a while and in words, the part of the recording's layout (layout.h)
// for it: how failed invocations called their error, and which child processes there were. Only
// plain data lives here.
#pragma once

#include <cstdint>

namespace lamprey::recording {

inline constexpr std::uint32_t kErrorTexts = 8;
inline constexpr std::uint32_t kChildren = 24;

// The runtime's own word for an error that it reported. A ring: entry key % kErrorTexts.
struct ErrorText {
  std::uint64_t key;  // sequence of the invocation + 1 (so 1: init); 0: empty. Stored last
  char type[120];
};

// Bits of Child::flags.
inline constexpr std::uint32_t kChildStatusKnown = 1;  // `status` is what wait(2) gave
inline constexpr std::uint32_t kChildUsageOwn = 2;     // max_rss_bytes is this child's own
inline constexpr std::uint32_t kChildSignalled = 4;    // this process itself sent it a signal

// A child process that this one started. A ring: entry (order of start) % kChildren.
struct Child {
  std::int32_t pid;       // stored last; 0: empty; -1: not known (system(3))
  std::uint32_t flags;    // kChild*
  std::uint64_t started;  // ticks
  std::uint64_t ended;    // ticks at which it had been waited for; 0: not yet. Stored last
  std::uint64_t cpu_ns;   // user and system, those that it waited for included
  std::uint64_t max_rss_bytes;
  std::int32_t status;      // as wait(2) gives it
  std::uint32_t arguments;  // how many, the program's name not counted
  char program[64];         // as it was asked for; empty: a fork of this process
};

struct Notes {
  ErrorText errors[kErrorTexts];
  Child children[kChildren];
};

}  // namespace lamprey::recording
