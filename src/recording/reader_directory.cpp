// The directory of recordings; see the header.
#include "recording/reader_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "recording/layout.h"
#include "recording/order.h"

namespace lamprey::recording {

std::string make_directory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return fmt::format("directory {} cannot be made: {}", path, std::strerror(errno));
  }
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) {
    return fmt::format("directory {} cannot be looked at: {}", path, std::strerror(errno));
  }
  if (!S_ISDIR(status.st_mode)) {
    return fmt::format("{} is a {}, accepted is a directory", path,
                       S_ISLNK(status.st_mode) ? "symbolic link" : "file");
  }
  if (status.st_uid != geteuid()) {
    return fmt::format("directory {} belongs to user {}, accepted is user {}", path, status.st_uid,
                       geteuid());
  }
  if ((status.st_mode & 0077) != 0 && chmod(path.c_str(), 0700) != 0) {
    return fmt::format("directory {} is open to others, accepted is mode 0700", path);
  }
  return {};
}

std::vector<Listed> list_recordings(const std::string& directory) {
  std::vector<Listed> found;
  const int descriptor =
      open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    return found;
  }
  DIR* entries = fdopendir(descriptor);
  if (entries == nullptr) {
    close(descriptor);
    return found;
  }
  while (const dirent* entry = readdir(entries)) {
    const std::string_view name = entry->d_name;
    if (name.size() > std::strlen(kSuffix) && name.front() != '.' && name.ends_with(kSuffix) &&
        found.size() < kMaxListed) {
      found.push_back({directory + "/" + entry->d_name, entry->d_ino});
    }
  }
  closedir(entries);
  put_in_order(found, [](const Listed& a, const Listed& b) { return a.path < b.path; });
  return found;
}

ino_t inode_of(int descriptor) {
  struct stat status {};
  return fstat(descriptor, &status) == 0 ? status.st_ino : 0;
}

bool remove_file(const std::string& path, ino_t inode) {
  struct stat status {};
  return inode != 0 && lstat(path.c_str(), &status) == 0 && status.st_ino == inode &&
         unlink(path.c_str()) == 0;
}

}  // namespace lamprey::recording
