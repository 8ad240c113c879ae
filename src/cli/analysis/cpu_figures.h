// What a record says of its CPU time, which was sampled: read in one place for tables, pictures and
// comparisons. Adds nothing up.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/input/json_document.h"

namespace lamprey::cli {

struct CpuSite {
  std::uint64_t ns = 0;
  std::string stack;  // innermost first
};

struct CpuFigures {
  std::uint64_t total_ns = 0;  // that all samples stand for
  std::uint64_t samples = 0;
  std::uint64_t hz = 0;        // 0: not said
  std::vector<CpuSite> sites;  // a line may list the top few only
  std::uint64_t rest_ns = 0;   // of total_ns, at no listed site

  // The samples that this much of it stands for.
  double samples_of(std::uint64_t ns) const;
};

// Nothing where the function was not sampled.
std::optional<CpuFigures> cpu_figures(const Value& record);

// A record of type shutdown has the CPU time of the process's whole life: others said it before.
bool repeats_others(const Value& record);

// What comparisons are made of: the first invocation of an environment is another thing than all
// others.
bool is_warm_invocation(const Value& record);
// Stands for invocations that have no line of their own, nor figures of CPU by function.
bool is_sum_of_lines(const Value& record);

// The function that a site counts under, without its line: "parse (/var/task/app.py)"; and with it.
std::string cpu_function(const std::string& stack);
std::string cpu_place(const std::string& stack);

// What is said where a line lists the top sites only.
inline constexpr const char* kNotInTopSites = "(not in the top sites)";

}  // namespace lamprey::cli
