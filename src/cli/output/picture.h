// What a flame graph, a pprof and a speedscope file draw, whatever it is: stacks, and what each of
// them has in each view. Knows no file format.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "cli/analysis/cpu_profile.h"
#include "cli/analysis/memory_profile.h"

namespace lamprey::cli {

enum class PictureUnit : std::uint8_t { kBytes, kNanoseconds };

struct PictureView {
  const char* key;    // in the page's data
  const char* label;  // of its button
  const char* says;   // behind an amount: "29.3 KB not freed yet"
  const char* name;   // in speedscope
};

struct PictureStack {
  const Frames* frames;              // outermost first
  std::vector<std::int64_t> values;  // one a view
  std::int64_t count;
};

// The stacks point into the sites that the picture was made of.
struct Picture {
  const char* heading;
  const char* about;
  PictureUnit unit;
  const char* counted;  // what `count` counts
  std::vector<PictureView> views;
  std::vector<PictureStack> stacks;
};

Picture picture_of(const std::map<Frames, SiteSum>& sites);
Picture picture_of(const CpuSites& sites);

}  // namespace lamprey::cli
