// How far a reader has come in a trail. Part of Reader; everything else includes reader.h alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "recording/reader.h"

namespace lamprey::recording {

struct TrailReading {
  std::uint64_t next = 0;      // number of the boundary after `now`
  std::uint64_t sequence = 0;  // of `now`
  bool known = true;           // `now` is true: before the first all is zero
  Totals now;
  std::vector<TrailEntry> entries;  // read and not used yet: from entries[used] on
  std::size_t used = 0;
  std::vector<std::uint8_t> bytes;  // theirs
  std::uint64_t from = 0;           // number of the first of them
};

}  // namespace lamprey::recording
