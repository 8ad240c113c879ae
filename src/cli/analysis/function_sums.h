// The records of one function, added up for tables and pages, in room that depends on how many
// different things they name, not on how many they are. Formats nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/analysis/cpu_by_function.h"
#include "cli/analysis/series.h"
#include "cli/input/json_document.h"

namespace lamprey::cli {

// Found without making a string of a piece of a line.
template <class T>
using Named = std::map<std::string, T, std::less<>>;

template <class T>
T& entry_of(Named<T>& entries, std::string_view name) {
  const auto found = entries.find(name);
  return found != entries.end() ? found->second : entries[std::string(name)];
}

struct CallSum {
  std::uint64_t calls = 0;
  std::uint64_t errors = 0;
  std::uint64_t bytes = 0;
  std::uint64_t total_ns = 0;
};

struct FindingSum {
  std::uint64_t count = 0;
  std::string severity;
  std::string text;  // of the newest
  std::string advice;
};

struct HostSum {
  std::uint64_t connects = 0;
  std::uint64_t errors = 0;
  std::uint64_t sent_bytes = 0;
  std::uint64_t received_bytes = 0;
  std::uint64_t wait_ns = 0;  // names and connecting included
};

// An invocation that did not end well.
struct BadEnd {
  std::string started;
  std::string request_id;
  std::string status;
  std::string headline;
};

struct FunctionSum {
  static constexpr std::size_t kMaxBadEnds = 3;

  std::uint64_t invocations = 0;
  std::uint64_t cold_starts = 0;
  Named<std::uint64_t> statuses;
  // One value a record that has it, in the order of the records.
  Series durations_ns;
  Series inits_ns;
  Series allocated;
  Series live;
  Series peak_rss;
  std::optional<std::uint64_t> limit_bytes;
  Named<CallSum> calls;
  Named<CallSum> kernel_calls;   // of exact mode
  Named<FindingSum> findings;    // by code
  Named<HostSum> hosts;          // by name
  Named<std::uint64_t> wall_ns;  // by part, in words
  CpuByFunction cpu;             // empty where nothing was sampled
  std::vector<BadEnd> bad_ends;  // the last kMaxBadEnds, in their order
};

void add_record(FunctionSum& sum, const Value& record);
// As if the records of `later` had been added to `sum` now.
void append(FunctionSum& sum, const FunctionSum& later);

// The parts of `wall`, and what people call them.
struct WallPart {
  const char* key;
  const char* words;
  char letter;  // in a bar without colours
};
constexpr WallPart kWallParts[] = {{"cpu_ms", "CPU", 'c'},
                                   {"runnable_ms", "waiting for CPU", 'w'},
                                   {"stolen_ms", "held back CPU", 'h'},
                                   {"network_ms", "network", 'n'},
                                   {"dns_ms", "DNS", 'd'},
                                   {"file_ms", "files", 'f'},
                                   {"lock_ms", "locks", 'l'},
                                   {"sleep_ms", "sleep", 's'},
                                   {"child_ms", "children", 'k'},
                                   {"other_ms", "other", 'o'}};

}  // namespace lamprey::cli
