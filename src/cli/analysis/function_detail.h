// What the page of `lamprey report --html` has of a function besides its sums: how it went, its
// files, its call sites, and the invocations worth a look. Records come in order. Formats nothing.
#pragma once

#include <cstdint>
#include <string>

#include "cli/analysis/cpu_profile.h"
#include "cli/analysis/function_sums.h"
#include "cli/analysis/memory_profile.h"
#include "cli/analysis/notable.h"
#include "cli/analysis/series.h"
#include "cli/analysis/trend.h"
#include "cli/input/json_document.h"

namespace lamprey::cli {

struct FileSum {
  std::uint64_t opens = 0;
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  std::uint64_t bytes = 0;
  std::uint64_t errors = 0;
  std::uint64_t time_ns = 0;
};

struct FunctionDetail {
  // Names of files may be made anew by each invocation: what comes after these is kOtherFiles.
  static constexpr std::size_t kMostFiles = 1000;
  static constexpr const char* kOtherFiles = "(other files)";

  Trend durations_ns;
  Trend peak_rss;
  Trend live;
  Series warm_ns;  // durations of all but cold starts
  Series cold_ns;
  Named<FileSum> files;
  MemoryProfile memory;
  CpuProfile cpu;
  Notable notable;
};

void add_record(FunctionDetail& detail, const Value& record);

}  // namespace lamprey::cli
