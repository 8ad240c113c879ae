// The records of one function, added up for tables and pages. Formats nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace lamprey::cli {

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
  std::map<std::string, std::uint64_t> statuses;
  // One value a record that has it, in the order of the records.
  std::vector<std::uint64_t> durations_ns;
  std::vector<std::uint64_t> inits_ns;
  std::vector<std::uint64_t> allocated;
  std::vector<std::uint64_t> live;
  std::vector<std::uint64_t> peak_rss;
  std::optional<std::uint64_t> limit_bytes;
  std::map<std::string, CallSum> calls;
  std::map<std::string, CallSum> kernel_calls;   // of exact mode
  std::map<std::string, FindingSum> findings;    // by code
  std::map<std::string, HostSum> hosts;          // by name
  std::map<std::string, std::uint64_t> wall_ns;  // by part, in words
  std::vector<BadEnd> bad_ends;                  // the last kMaxBadEnds, in their order
};

void add_record(FunctionSum& sum, const nlohmann::json& record);

// The smallest value that at least `percent` of them do not exceed; nothing of no values.
std::optional<std::uint64_t> percentile(std::vector<std::uint64_t> values, std::size_t percent);

}  // namespace lamprey::cli
