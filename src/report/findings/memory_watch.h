// Findings that compare a process's memory with its limit and with what is live: memory.retained,
// memory.tight, memory.oversized. Remembers what was said already; prints nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "report/model/report.h"
#include "report/procfs/address_space.h"

namespace lamprey::report {

// One process's invocations in order.
class MemoryWatch {
 public:
  // Reads the address space; called only when it is worth the cost. Nothing when it cannot be read,
  // or not yet: the next invocation tries again.
  using Look = std::function<std::optional<AddressSpace>()>;

  // Adds memory.retained_bytes and findings to the report of an invocation that ended.
  void look(Report& report, const Look& address_space);

  // Tight: memory is at this part of the limit or above. Oversized: it stayed below the second part
  // for the whole life so far, and is not on its way up (the peak has not risen by 5 % in half of
  // kOversizedAfter invocations).
  static constexpr std::uint64_t kTightPercent = 90;
  static constexpr std::uint64_t kOversizedPercent = 25;
  static constexpr std::uint64_t kOversizedAfter = 50;       // invocations
  static constexpr std::uint64_t kSmallestFunctionMb = 256;  // a smaller one has too little to save
  static constexpr std::uint64_t kRetainedBytes = 32'000'000;  // or kRetainedPercent of the limit
  static constexpr std::uint64_t kRetainedPercent = 15;
  static constexpr std::uint64_t kEvery = 100;    // invocations between two of the same finding
  static constexpr std::uint64_t kMaxTries = 32;  // at one look at the address space

 private:
  void add_tight(Report& report);
  void add_oversized(Report& report);
  void add_retained(Report& report, const Look& address_space);
  bool is_due(std::uint64_t& last) const;

  std::uint64_t looks_ = 0;
  std::uint64_t tight_ = 0;  // the look at which it was told; 0: never
  std::uint64_t oversized_ = 0;
  std::uint64_t level_ =
      0;  // highest resident memory, as it was when it last rose by more than 5 %
  std::uint64_t since_ = 0;     // at that look
  std::uint64_t retained_ = 0;  // the look at which the address space was read
  std::uint64_t tries_ = 0;     // to read it, without success
};

}  // namespace lamprey::report
