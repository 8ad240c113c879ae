// CPU time by the program's own functions: of many records, or of one. Of each stack its first own
// function has all of it, whatever that called. Prints nothing.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cli/analysis/cpu_figures.h"
#include "cli/input/json_document.h"

namespace lamprey::cli {

struct CpuByFunction {
  struct Part {
    std::uint64_t ns = 0;
    std::uint64_t init_ns = 0;
  };
  std::map<std::string, Part> functions;  // and kNotInTopSites
  Part total;
  std::uint64_t invocations = 0;  // that were sampled; a run is one
};

void add_record(CpuByFunction& sum, const Value& record);
void append(CpuByFunction& sum, const CpuByFunction& later);

// By CPU in invocations, most first, the first `most`; what is in no listed site comes last. With a
// heading; empty when there is nothing to say.
std::vector<std::vector<std::string>> cpu_rows(const CpuByFunction& sum, std::size_t most);

// The function that used most of a record's CPU time: by name without its line, and where it was
// seen most. `ns` is 0 when no site is listed.
struct TopCpu {
  std::uint64_t ns = 0;
  std::string place;  // "parse_orders (/var/task/app.py:88)"
};
TopCpu top_cpu(const CpuFigures& cpu);

}  // namespace lamprey::cli
