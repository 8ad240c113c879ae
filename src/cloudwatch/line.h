// A report as the one line of JSON that CloudWatch gets: keys, order, detail, Embedded Metric
// Format, and the limit of size. Computes no figure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "report/model/report.h"

namespace lamprey::cloudwatch {

// CloudWatch was seen to cut raw lines at 64 KiB.
inline constexpr std::size_t kMaxBytes = std::size_t{60} * 1024;
// Short lines take entries of their lists only up to here: bytes of logs cost money.
inline constexpr std::size_t kShortBytes = std::size_t{2} * 1024;
// Above this the lists of a full line are shortened.
inline constexpr std::size_t kGoodBytes = std::size_t{16} * 1024;

enum class Detail : std::uint8_t { kAuto, kFull, kShort };

struct LineOptions {
  Detail detail = Detail::kAuto;
  bool metrics = true;  // with an `_aws` member and the metrics at the root, on invocations
  std::string metric_namespace = "Lamprey";
  // Further dimensions of the metrics: name and value, also members of the root.
  std::vector<std::pair<std::string, std::string>> dimensions;
  std::uint64_t now_ms = 0;  // the metrics' time where the report has none
};

// One line without the newline: valid JSON in valid UTF-8 (bytes that are not become U+FFFD), never
// longer than kMaxBytes: lists are dropped until it fits, and coverage.truncated names them. Lists
// that are not vital are shortened above kGoodBytes already.
std::string to_line(const report::Report& report, const LineOptions& options);

// Writes the line and a newline with one write(2) where that is possible, and waits for room; false
// when the descriptor does not take it.
bool write_line(int descriptor, const std::string& line);

}  // namespace lamprey::cloudwatch
