// Paths as the recording names them: absolute, without "." and "..", by text alone (a symbolic link
// is not followed, no system call is made). And the directory that stands for many of them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamprey::preload::io::paths {

// A longer path is cut: it is then known by its beginning.
inline constexpr std::size_t kBytes = 320;

struct Path {
  char text[kBytes];
  std::size_t bytes;            // without the NUL
  std::size_t directory_bytes;  // of `text`: its top directory, below
  std::uint64_t hash;
  std::uint64_t directory_hash;
};

// `base` is what a relative path starts from, absolute; nullptr: unknown, then only an absolute
// `path` gives one. `path` must be readable. False when there is nothing to name.
//
// The top directory is the package below the first node_modules, site-packages or dist-packages
// (/var/task/node_modules/aws-sdk), else the first name below the root (/var/task/orders), else the
// first three names (/opt/python/lib), never the last name itself.
bool make(Path& into, const char* base, const char* path);

// Where the function's own code is, absolute; at attach, before any other path is made.
void root_is(const Path& root);
// `text` names something below the root, or the root; false where that is not known.
bool is_below_root(const char* text);
bool is_root(const char* text);
// Whether one of its names is node_modules, site-packages or dist-packages.
bool is_in_packages(const char* text);

// Never 0.
std::uint64_t hash_of(const char* text, std::size_t bytes);

}  // namespace lamprey::preload::io::paths
