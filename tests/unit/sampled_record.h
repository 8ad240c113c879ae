// Records of a function whose CPU time was sampled. No test may live here.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/unit/record_reading.h"

namespace lamprey::cli {

inline nlohmann::json sampled(const char* type, const char* function, double total_ms, int samples,
                              const std::vector<std::pair<std::string, double>>& sites) {
  nlohmann::json list = nlohmann::json::array();
  for (const auto& [stack, ms] : sites) {
    list.push_back({{"cpu_ms", ms}, {"stack", stack}});
  }
  return {{"type", type},
          {"function_name", function},
          {"cpu", {{"hz", 97}, {"samples", samples}, {"total_ms", total_ms}, {"sites", list}}}};
}

}  // namespace lamprey::cli
