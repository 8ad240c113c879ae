// A profile of allocations in words. Asks a Symbolizer; finds no name itself.
#pragma once

#include <cstddef>
#include <cstdint>

#include "report/model/allocation_profile.h"
#include "symbols/symbolizer.h"

namespace lamprey::report {

// Asks for the names of all its frames.
void want_names(const ProfiledSites& profile, std::int32_t pid, symbols::Symbolizer& symbolizer);

// With the names that are known by now, in at most `most` bytes: what is weightiest comes first. A
// site of which no frame is known stands at "(stack not kept)".
AllocationProfile profile_text(const ProfiledSites& profile, std::int32_t pid,
                               symbols::Symbolizer& symbolizer, std::size_t most);

}  // namespace lamprey::report
