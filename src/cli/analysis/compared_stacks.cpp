// Comparing stacks; see the header.
#include "cli/analysis/compared_stacks.h"

#include <algorithm>
#include <set>

#include "cli/analysis/cpu_figures.h"
#include "cli/input/json_values.h"

namespace lamprey::cli {
namespace {

// The kernel notices that a thread's time is up at its next tick, of 4 ms where it has 250 in a
// second: samples closer than that come together, and are worth no more than one.
constexpr double kTickNs = 4e6;
constexpr double kSampleBytes = 65536;  // where a line does not say
// Innermost frame of what was mapped, not malloc'ed: no part of the exact totals.
constexpr const char* kMapped = "mmap";

Frames below(const std::string& function, const Frames& frames) {
  Frames all{function};
  all.insert(all.end(), frames.begin(), frames.end());
  return all;
}

void compare_function(const StackWeights::Function& before, const StackWeights::Function& after,
                      const std::string& root, std::vector<ComparedStack>& into) {
  std::set<const Frames*, decltype([](const Frames* a, const Frames* b) { return *a < *b; })> all;
  for (const auto* side : {&before, &after}) {
    for (const auto& [frames, weight] : side->weights) {
      all.insert(&frames);
    }
  }
  for (const Frames* frames : all) {
    into.push_back({root.empty() ? *frames : below(root, *frames), before.an_invocation(*frames),
                    after.an_invocation(*frames), before.spread(*frames), after.spread(*frames)});
  }
}

}  // namespace

double StackWeights::Function::an_invocation(const Frames& frames) const {
  const auto found = weights.find(frames);
  return found == weights.end() ? 0
                                : std::max(found->second, 0.0) / static_cast<double>(invocations);
}

double StackWeights::Function::spread(const Frames& frames) const {
  return an_invocation(frames) * grain / static_cast<double>(invocations);
}

void StackWeights::add(const Value& record) {
  partial_ = partial_ || is_sum_of_lines(record);
  if (is_warm_invocation(record)) {
    what_ == Compared::kCpu ? add_cpu(record) : add_allocated(record);
  }
}

void StackWeights::add_cpu(const Value& record) {
  const auto cpu = cpu_figures(record);
  if (!cpu) {
    return;
  }
  Function& function = functions_[text(record, "function_name")];
  ++function.invocations;
  for (const CpuSite& site : cpu->sites) {
    function.weights[frames_of(site.stack)] += static_cast<double>(site.ns);
  }
  if (cpu->rest_ns != 0) {
    function.weights[{kNotInTopSites}] += static_cast<double>(cpu->rest_ns);
  }
  function.total += static_cast<double>(cpu->total_ns);
  function.samples += static_cast<double>(cpu->samples);
  function.grain = std::max(kTickNs, function.samples > 0 ? function.total / function.samples : 0);
}

void StackWeights::add_allocated(const Value& record) {
  const Value memory = record["memory"];
  const Value sites = list(memory, "sites");
  if (sites.empty()) {
    return;
  }
  Function& function = functions_[text(record, "function_name")];
  ++function.invocations;
  const auto bytes_of = [](const Value& object) {
    return static_cast<double>(number(object, "allocated_bytes").value_or(0));
  };
  double rest = bytes_of(memory);
  for (const Value site : sites) {
    const Frames frames = frames_of(text(site, "stack"));
    const double bytes = bytes_of(site);
    if (!frames.empty() && bytes > 0) {
      function.weights[frames] += bytes;
      rest -= frames.back() == kMapped ? 0 : bytes;
    }
  }
  // The sites are estimates: of one record they may be more than its exact total, and in the sum
  // that is made good by others.
  function.weights[{MemoryProfile::kNotListed}] += rest;
  function.grain = std::max(function.grain,
                            static_cast<double>(number(record["coverage"], "sampled").value_or(0)));
  function.grain = function.grain > 0 ? function.grain : kSampleBytes;
}

std::vector<ComparedStack> compare_stacks(const StackWeights& before, const StackWeights& after) {
  std::vector<ComparedStack> stacks;
  const auto& first = before.functions();
  const auto& second = after.functions();
  if (first.size() == 1 && second.size() == 1) {
    compare_function(first.begin()->second, second.begin()->second, "", stacks);
    return stacks;
  }
  for (const auto& [name, function] : first) {
    if (const auto found = second.find(name); found != second.end()) {
      compare_function(function, found->second, name.empty() ? "(no name)" : name, stacks);
    }
  }
  return stacks;
}

}  // namespace lamprey::cli
