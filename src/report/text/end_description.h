// How a process ended, in words: from the account that it left in its recording. Who else has a say
// (the platform, a wait status, the kernel's counters) is weighed elsewhere. Pure.
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

// The last word of the process; nothing when it left none, or went on living afterwards
// (`last_mark_ns`: of the newest START, response or END, CLOCK_MONOTONIC).
std::optional<SelfReport> self_report_of(const recording::Header& header,
                                         std::uint64_t last_mark_ns);

// "SIGSEGV"; "signal 40" for one without a name.
std::string signal_name(int number);

// Whether the signal says "this program is at fault", not "somebody wants it gone".
bool is_fault(int number);

}  // namespace lamprey::report
