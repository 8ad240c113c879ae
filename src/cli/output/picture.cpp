// Pictures of memory and of CPU time; see the header.
#include "cli/output/picture.h"

#include <algorithm>
#include <cmath>

namespace lamprey::cli {
namespace {

std::int64_t whole_samples(const CpuSum::Part& part) {
  constexpr double kMost = 9e18;
  return static_cast<std::int64_t>(std::llround(std::min(part.samples, kMost)));
}

}  // namespace

Picture picture_of(const std::map<Frames, SiteSum>& sites) {
  Picture picture{"memory by call site",
                  "stacks are sampled, their bytes estimates",
                  PictureUnit::kBytes,
                  "allocations",
                  {{"live", "Live", "not freed yet", "live bytes"},
                   {"allocated", "Allocated", "in all calls", "allocated bytes"},
                   {"growth", "Growth", "of live bytes", "growth in bytes"}},
                  {}};
  for (const auto& [frames, sum] : sites) {
    picture.stacks.push_back(
        {&frames, {sum.live_bytes, sum.allocated_bytes, sum.growth_bytes}, sum.allocations});
  }
  return picture;
}

Picture picture_of(const CpuSites& sites) {
  Picture picture{"CPU time by function",
                  "CPU time is sampled: an estimate",
                  PictureUnit::kNanoseconds,
                  "samples",
                  {{"all", "All", "of CPU", "CPU time"},
                   {"invocations", "Invocations", "of CPU in invocations", "CPU in invocations"},
                   {"init", "Init", "of CPU in inits", "CPU in inits"}},
                  {}};
  for (const auto& [frames, sum] : sites) {
    if (const CpuSum::Part& part = sum.invocations; part.ns != 0) {
      picture.stacks.push_back({&frames, {part.ns, part.ns, 0}, whole_samples(part)});
    }
    if (const CpuSum::Part& part = sum.inits; part.ns != 0) {
      picture.stacks.push_back({&frames, {part.ns, 0, part.ns}, whole_samples(part)});
    }
  }
  return picture;
}

}  // namespace lamprey::cli
