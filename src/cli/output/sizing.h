// What invocations cost in GB-seconds, and what memory size the lines support: sums over records
// in, a table out. Prices are the caller's: none is built in.
//
// Advice needs at least kFewestInvocations warm invocations at one memory size, and stands beside
// the figures it rests on. With fewer, nothing is said.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "cli/input/json_document.h"

namespace lamprey::cli {

class Sizing {
 public:
  static constexpr std::uint64_t kFewestInvocations = 50;

  // Takes a record of type invoke; others are of no interest.
  void add(const Value& record);

  // As if the records of `later` had been added here.
  void append(const Sizing& later);

  // The rows of all functions; empty when no record said what its memory size is.
  // `price`: of one GB-second, in any currency.
  std::string table(const std::optional<double>& price) const;

 private:
  struct Sum {
    std::uint64_t invocations = 0;
    std::uint64_t warm = 0;
    std::uint64_t duration_us = 0;       // of all
    std::uint64_t warm_duration_us = 0;  // of the warm ones whose CPU time is known
    std::uint64_t warm_cpu_us = 0;
    std::uint64_t warm_runnable_us = 0;
    std::uint64_t peak_bytes = 0;
    std::set<std::uint64_t> limits_mb;
    std::uint64_t mb_us = 0;  // duration times memory size
    bool out_of_memory = false;
  };

  static std::string advice(const Sum& sum);

  std::map<std::string, Sum> functions_;
};

}  // namespace lamprey::cli
