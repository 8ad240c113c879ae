// How a process ended, in words, from what it wrote in its recording. The platform's word, a wait
// status and the kernel's counters are weighed elsewhere. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "recording/layout.h"
#include "report/model/report.h"

namespace lamprey::report {

// What a process said of its own end.
struct SelfReport {
  Status status = Status::kError;  // kExit or kCrash
  EndDescription death;
  int signal = 0;             // 0: an exit
  std::uint64_t mono_ns = 0;  // when
};

// What the process wrote last about its end. Nothing when it wrote none, or lived on afterwards
// (`last_mark_ns`: the newest START, response or END, CLOCK_MONOTONIC).
std::optional<SelfReport> self_report_of(const recording::Header& header,
                                         std::uint64_t last_mark_ns);

// "SIGSEGV"; "signal 40" for one without a name.
std::string signal_name(int number);

// Whether the signal means that the program is at fault, not that somebody wants it to end.
bool is_fault(int number);

}  // namespace lamprey::report
