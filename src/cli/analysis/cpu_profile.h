// CPU time by stack of many records, added up: what the flame graph, pprof and speedscope files of
// CPU are made of. Knows no file format.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "cli/analysis/memory_profile.h"
#include "cli/input/json_document.h"

namespace lamprey::cli {

struct CpuSum {
  struct Part {
    std::int64_t ns = 0;
    double samples = 0;
  };
  Part invocations;  // also of whole runs
  Part inits;
};
using CpuSites = std::map<Frames, CpuSum>;

class CpuProfile {
 public:
  void add(const Value& record);

  // Every stack with its sums; what no listed site holds stands under kNotInTopSites. With several
  // functions the outermost frame is the function: two of them may have a handler in one path.
  CpuSites sites() const;
  bool empty() const { return records_ == 0; }  // no record has `cpu`
  std::uint64_t hz() const { return hz_; }      // of the newest; 0 unknown

 private:
  std::map<std::string, CpuSites> functions_;
  std::uint64_t records_ = 0;
  std::uint64_t hz_ = 0;
};

}  // namespace lamprey::cli
