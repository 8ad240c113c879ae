// The directory that recordings lie in, as a reader needs it: made safely, listed, emptied. What is
// inside a recording does not belong here.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace lamprey::recording {

// Makes the directory (mode 0700) or accepts the one that is there: a directory, not a symbolic
// link, of this user. Empty text on success, else one line that says what is in the way.
std::string make_directory(const std::string& path);

struct Listed {
  std::string path;
  ino_t inode = 0;  // as the directory lists it; on some file systems stat(2) differs
};

// The recordings in it, sorted by path; empty when there is none or no directory. At most
// kMaxListed are listed.
std::vector<Listed> list_recordings(const std::string& directory);
inline constexpr std::size_t kMaxListed = 8192;

// The inode of an open descriptor's file; 0: cannot be known.
ino_t inode_of(int descriptor);

// Removes the file of that name if it still has this inode: by now the name may be another
// process's. Returns whether it was removed.
bool remove_file(const std::string& path, ino_t inode);

}  // namespace lamprey::recording
