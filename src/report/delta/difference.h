// From two moments' totals to the figures of what lay between them. Pure arithmetic: no files, no
// clocks, no text.
#pragma once

#include "recording/reader.h"
#include "report/model/report.h"

namespace lamprey::report {

// A recording keeps peaks and longest calls only since the newest boundary or START.
enum class Peaks : std::uint8_t {
  kOfSpan,   // nothing but that lies between the two moments: the peaks are of the whole span
  kUnknown,  // the span is longer: they are left out
};

MemoryFigures memory_between(const recording::Totals& before, const recording::Totals& after,
                             Peaks peaks);

// Percentiles are the geometric middle of their bucket (off by at most 11.8 %) and never above the
// longest call. Histograms are compared modulo 2^32.
CallsFigures calls_between(const recording::Totals& before, const recording::Totals& after,
                           const recording::ClockScale& clock, Peaks peaks);

// Nothing where one of the two moments has no such totals. `places` is left to the caller.
std::optional<KernelFigures> kernel_between(const recording::Totals& before,
                                            const recording::Totals& after,
                                            const recording::ClockScale& clock, Peaks peaks,
                                            bool arm64);

}  // namespace lamprey::report
