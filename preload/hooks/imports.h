// Which package's code init reads (Import in timeline_section.h): so a cold start can be told by
// packages.
#pragma once

#include "preload/io/descriptors.h"

namespace lamprey::preload::hooks::imports {

// After a successful open of `path` during init, once it was accounted. Does not touch errno.
void opened(const char* path, const io::Spent& spent);

// Two comparisons once init is over.
inline void note(const char* path, const io::Spent& spent) {
  if (!spent.failed && !g_writer.init_ended()) [[unlikely]] {
    opened(path, spent);
  }
}

}  // namespace lamprey::preload::hooks::imports
