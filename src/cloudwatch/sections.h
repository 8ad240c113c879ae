// The sections of a line, one function each: a report in, the value of one key of the record out
// (docs/record.md has the keys). An empty value is left out of the line. Private to this folder.
#pragma once

#include <cstddef>

#include "cloudwatch/values.h"
#include "report/report.h"

namespace lamprey::cloudwatch {

inline constexpr std::size_t kTopShort = 3;
inline constexpr std::size_t kTopFull = 20;
inline constexpr std::size_t kMostBlocked = 20;
inline constexpr std::size_t kMostStackText = 1000;
inline constexpr std::size_t kMostStackTextShort = 160;  // two or three frames

// How much of the lists is printed; each step down is taken only when the line is too long.
struct Amount {
  bool full = true;  // short lines leave out what does not change from one to the next
  std::size_t top = kTopFull;
  std::size_t network = kTopFull;
  std::size_t files = kTopFull;
  std::size_t blocked = kMostBlocked;
  std::size_t sites = kTopFull;
  std::size_t findings = 20;
  std::size_t unseen = 20;
  Json truncated = Json::array();
};

Json process_json(const report::Report& report);
Json init_json(const report::Report& report);
Json memory_json(const report::Report& report, const Amount& amount);
Json wall_json(const report::Report& report);
Json network_json(const report::Report& report, std::size_t most);
Json files_json(const report::Report& report, std::size_t most);
Json calls_json(const report::Report& report, const Amount& amount);
Json blocked_json(const report::Report& report, std::size_t most);
Json death_json(const report::Report& report);
Json findings_json(const report::Report& report, std::size_t most);
Json system_json(const report::Report& report);
Json coverage_json(const report::Report& report, const Amount& amount);
Json platform_json(const report::Report& report);
Json self_json(const report::Report& report, const Amount& amount);

}  // namespace lamprey::cloudwatch
