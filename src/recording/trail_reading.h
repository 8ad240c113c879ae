// How far a reader has come in a trail. Part of Reader; everything else includes reader.h alone.
#pragma once

#include <cstdint>
#include <memory>

#include "recording/reader.h"

namespace lamprey::recording {

struct TrailReading {
  std::unique_ptr<Totals> now;  // of the boundary before `next`; null: not known
  std::uint64_t sequence = 0;   // of that boundary
  std::uint64_t next = 0;       // number of the boundary that is added next
  std::uint64_t first = 0;      // what was read: the boundaries [first, end)
  std::uint64_t end = 0;
  std::uint64_t from = 0;  // number of bytes[0]
  // Not cleared: of 256 KB only what is read takes memory.
  TrailEntry index[kTrailEntries];
  std::uint8_t bytes[kTrailBytes];
  const TrailEntry& entry(std::uint64_t number) const { return index[number % kTrailEntries]; }
};

}  // namespace lamprey::recording
