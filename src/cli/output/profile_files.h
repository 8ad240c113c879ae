// A profile of memory or of CPU time in the formats of other tools' and of browsers. Text out;
// writes no file.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/analysis/compared_stacks.h"
#include "cli/analysis/cpu_profile.h"
#include "cli/analysis/memory_profile.h"
#include "cli/output/picture.h"

namespace lamprey::cli {

// A page that needs nothing but itself: an interactive flame graph of each view.
std::string flame_page(const Picture& picture, const std::string& title);
std::string flame_page(const std::map<Frames, SiteSum>& sites, const std::string& title);

// The same page with each frame as wide as in one of the two sides, coloured by its change.
std::string flame_page(const std::vector<ComparedStack>& stacks, Compared what,
                       const std::string& title);

// profile.proto of pprof, gzipped; sample types live_bytes, allocated_bytes, allocations.
// `time_ns`: UNIX time it is about, 0 unknown.
std::string pprof_file(const std::map<Frames, SiteSum>& sites, std::uint64_t time_ns);
// The same of CPU time: sample types samples and cpu, as Go's own have them. `hz`: samples in a
// second of CPU time, 0 unknown.
std::string pprof_file(const CpuSites& sites, std::uint64_t hz, std::uint64_t time_ns);

// speedscope's JSON: one profile for each view.
std::string speedscope_file(const Picture& picture, const std::string& title);
std::string speedscope_file(const std::map<Frames, SiteSum>& sites, const std::string& title);

// gzip (RFC 1952): the same bytes for the same content.
std::string gzipped(const std::string& bytes);

}  // namespace lamprey::cli
