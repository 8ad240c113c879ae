// Reading any number of log files into sums, on all cores, in room that does not grow with the
// files. Prints only what could not be read, and how far it is.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cli/analysis/cpu_profile.h"
#include "cli/analysis/function_sums.h"
#include "cli/analysis/memory_profile.h"
#include "cli/analysis/spans.h"
#include "cli/input/log_lines.h"
#include "cli/output/sizing.h"

namespace lamprey::cli {

struct Sums {
  std::map<std::string, FunctionSum> functions;
  Sizing sizing;
  MemoryProfile profile;        // empty unless it was asked for
  CpuProfile cpu;               // likewise
  std::uint64_t newest_ns = 0;  // UNIX time of the newest record; 0 unknown
  LineCounts counts;
  bool cut = false;  // a file could not be read to its end
};

struct Reading {
  bool profile = false;
  bool cpu_profile = false;
  // Gets every record, in order. This and profiles need the records one by one: one core reads.
  std::function<void(const Value& record)> each;

  bool in_order() const { return profile || cpu_profile || each; }
};

// Why there is no CPU time to draw.
extern const char* const kNoCpu;

// 0, or the exit status with which to end: 1 when there is no record, 2 when a file is not there.
// A file that cannot be read to its end is complained of, and what was read counts: `cut` says so.
int read_sums(const std::vector<std::string>& paths, const Reading& what, Sums& sums);

// The name under which a record's figures stand.
std::string function_of(const Value& record);

}  // namespace lamprey::cli
