// What a record of type summary says beyond what every record has: of how many invocations it is
// the sum, and how their figures were distributed. Plain values.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "report/model/distribution.h"
#include "report/model/metric_figures.h"

namespace lamprey::report {

struct SummaryCounts {
  std::uint64_t invocations = 0;
  std::uint64_t end_real_ns = 0;     // when the last of them ended
  std::uint64_t responses = 0;       // how many of them the two figures below are of
  std::uint64_t response_ns = 0;     // request handed over -> first byte of the response
  std::uint64_t response_bytes = 0;  // of all
  // What Lambda itself said, of earlier invocations.
  std::uint64_t billed = 0;  // of how many
  std::uint64_t billed_ms = 0;
  std::uint64_t max_memory_mb = 0;
  std::uint64_t platform_init_ns = 0;
  std::uint64_t platform_restore_ns = 0;
};

struct SummaryFigures : SummaryCounts {
  std::array<Distribution, kMetrics> metrics;  // by Metric
  std::vector<std::string> names;              // what names and codes of the report refer to
};

}  // namespace lamprey::report
