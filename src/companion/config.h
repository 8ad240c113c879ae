// The LAMPREY_* settings: their values, their defaults, and one line for each that is not accepted.
// Nothing else is read from the environment here.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "cloudwatch/line.h"

namespace lamprey::companion {

enum class LogLevel : std::uint8_t { kError, kInfo, kDebug };

// Which invocations have a line of their own; the others are added up.
enum class Lines : std::uint8_t { kAll, kNotable };

struct Config {
  cloudwatch::Detail detail = cloudwatch::Detail::kAuto;
  Lines lines = Lines::kAll;
  std::uint64_t sample_bytes = 65536;
  bool metrics = true;
  std::string metric_namespace = "Lamprey";
  bool follow_children = false;
  bool trace_language = false;
  bool exact = false;
  bool frames = true;
  std::uint32_t cpu_hz = 0;  // samples a second of CPU time; 0: none are taken
  bool telemetry = false;
  std::vector<std::pair<std::string, std::string>> dimensions;  // of the metrics: name, value
  LogLevel log = LogLevel::kError;
};

// What LAMPREY_SAMPLE_BYTES may be at most; the library's sampler has the same bound.
inline constexpr std::uint64_t kMaxSampleBytes = std::uint64_t{1} << 40;

// How a variable is looked up: its value, or nullptr.
using Lookup = std::function<const char*(const char* name)>;

// The two settings that matter before registering: whether Lamprey is switched off, and whether
// lines leave in batches. The library judges LAMPREY_FLUSH in the same way.
bool is_off(const Lookup& lookup);
bool is_batch(const Lookup& lookup);

// Reads all of them; complaints gets one line for each value that is not accepted.
Config read_config(const Lookup& lookup, std::vector<std::string>& complaints);

}  // namespace lamprey::companion
