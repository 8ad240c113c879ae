// A memory profile in the formats of other tools' and of browsers. Text out; writes no file.
#pragma once

#include <map>
#include <string>

#include "cli/analysis/memory_profile.h"

namespace lamprey::cli {

// A page that needs nothing but itself: an interactive flame graph of live, allocated and growth.
std::string flame_page(const std::map<Frames, SiteSum>& sites, const std::string& title);

// profile.proto of pprof, gzipped; sample types live_bytes, allocated_bytes, allocations.
// `time_ns`: UNIX time it is about, 0 unknown.
std::string pprof_file(const std::map<Frames, SiteSum>& sites, std::uint64_t time_ns);

// speedscope's JSON: one profile each for live, allocated and growth.
std::string speedscope_file(const std::map<Frames, SiteSum>& sites, const std::string& title);

// gzip (RFC 1952) without compression: what is inside is small and stays readable to the checker.
std::string gzipped(const std::string& bytes);

}  // namespace lamprey::cli
