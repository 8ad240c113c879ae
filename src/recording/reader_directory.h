// The directory that recordings lie in, as a reader needs it: made safely, listed, emptied. What is
// inside a recording does not belong here.
#pragma once

#include <string>
#include <vector>

namespace lamprey::recording {

// Makes the directory (mode 0700) or accepts the one that is there: a directory, not a symbolic
// link, of this user. Empty text on success, else one line that says what is in the way.
std::string make_directory(const std::string& path);

// The full paths of the recordings in it, sorted; empty when there is none or no directory.
// At most kMaxListed are listed.
std::vector<std::string> list_recordings(const std::string& directory);
inline constexpr std::size_t kMaxListed = 1024;

}  // namespace lamprey::recording
