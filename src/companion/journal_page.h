// The first page of the journal's file, byte by byte. Private to the journal.
#pragma once

#include <cstddef>
#include <cstdint>

#include "companion/journal.h"

namespace lamprey::companion {

inline constexpr std::size_t kEntries = 64;
inline constexpr std::size_t kMaxWaitingBytes = std::size_t{256} * 1024;

struct Journal::Page {
  std::uint64_t magic;
  // Of the line that is being printed, and of the one before. An entry in `entries` may be older
  // than what a note says whose line has left: at the start that note counts.
  Note notes[kNotes];
  // EnvironmentState
  std::uint64_t failed_inits;
  std::uint64_t first_failed_real_ns;
  std::uint64_t group_kills;
  std::uint64_t machine_kills;
  char late_request[64];
  std::uint64_t sums_printed;  // sums kept with a lower order than this
  Entry entries[kEntries];
};

}  // namespace lamprey::companion
