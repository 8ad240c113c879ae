// Where CPU time was spent, between two looks at a recording, by function: what samples stand for
// (docs/cpu.md). Frames are made in stacks.h and named in text/stack_names.h.
//
// Holds 8 bytes for each entry of the recording's table (8 KB at most). Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "recording/reader.h"
#include "report/delta/stacks.h"
#include "report/model/report.h"

namespace lamprey::report {

inline constexpr std::size_t kMaxCpuSites = 100;  // before equal texts are added up

class CpuLedger {
 public:
  // Figures since the last take(), or since the start; nothing where CPU time is not sampled. An
  // invocation too short for a sample has zeros: they count when invocations are added up.
  std::optional<CpuFigures> take(recording::Reader& reader);
  // Figures since the start, whatever take() returned before.
  static std::optional<CpuFigures> whole(recording::Reader& reader);

 private:
  std::optional<CpuFigures> between(recording::Reader& reader, KnownModules& modules);

  std::vector<std::uint64_t> before_;  // intervals, by entry
  std::uint64_t samples_ = 0;
  std::uint64_t intervals_ = 0;
  std::uint64_t unplaced_ = 0;
  KnownModules modules_;
};

}  // namespace lamprey::report
