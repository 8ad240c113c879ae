// Making, locking and removing the directory; see the header.
#include "recording/own_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

namespace lamprey::recording {
namespace {

constexpr const char* kPlace = "/tmp";
constexpr std::time_t kKeptSeconds =
    std::time_t{24} * 60 * 60;  // somebody may want to decode what is in it

// Locks the directory and returns its descriptor; -1 when somebody else holds it, or it is not
// ours.
int open_and_lock(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  struct stat status {};
  if (descriptor >= 0 && fstat(descriptor, &status) == 0 && status.st_uid == geteuid() &&
      flock(descriptor, LOCK_EX | LOCK_NB) == 0) {
    return descriptor;
  }
  if (descriptor >= 0) {
    close(descriptor);
  }
  return -1;
}

std::vector<std::string> names_in(const char* path) {
  std::vector<std::string> names;
  if (DIR* entries = opendir(path)) {
    while (const dirent* entry = readdir(entries)) {
      names.emplace_back(entry->d_name);
    }
    closedir(entries);
  }
  return names;
}

// Only files: nothing of ours makes directories in it.
void remove_directory(const std::string& path, int descriptor) {
  for (const std::string& name : names_in(path.c_str())) {
    if (name != "." && name != "..") {
      unlinkat(descriptor, name.c_str(), 0);
    }
  }
  rmdir(path.c_str());
}

void remove_abandoned(const std::string& prefix) {
  for (const std::string& name : names_in(kPlace)) {
    const std::string path = std::string(kPlace) + "/" + name;
    struct stat status {};
    if (!path.starts_with(prefix) || lstat(path.c_str(), &status) != 0 ||
        !S_ISDIR(status.st_mode) || status.st_mtim.tv_sec > std::time(nullptr) - kKeptSeconds) {
      continue;
    }
    if (const int descriptor = open_and_lock(path); descriptor >= 0) {
      remove_directory(path, descriptor);
      close(descriptor);
    }
  }
}

}  // namespace

OwnDirectory::OwnDirectory() {
  const std::string prefix = fmt::format("{}/lamprey-{}-", kPlace, geteuid());
  remove_abandoned(prefix);
  std::string path = prefix + "XXXXXX";
  if (mkdtemp(path.data()) == nullptr) {
    obstacle_ = fmt::format("no directory for recordings can be made in {}: {}", kPlace,
                            std::strerror(errno));
    return;
  }
  path_ = path;
  lock_ = open_and_lock(path_);
}

OwnDirectory::~OwnDirectory() {
  if (lock_ >= 0) {
    remove_directory(path_, lock_);
    close(lock_);
  }
}

}  // namespace lamprey::recording
