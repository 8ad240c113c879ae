// A directory of recordings that nobody else has: for what is run on a machine that others use too.
// On Lambda there is one environment, and kDirectory is its place.
#pragma once

#include <string>

namespace lamprey::recording {

// /tmp/lamprey-UID-XXXXXX, mode 0700, made by mkdtemp(3): a name that nobody can have taken before.
// It and what is in it go with this object. What a process that was killed left there goes after a
// day, when the same user's next one is made.
class OwnDirectory {
 public:
  OwnDirectory();
  ~OwnDirectory();
  OwnDirectory(const OwnDirectory&) = delete;
  OwnDirectory& operator=(const OwnDirectory&) = delete;

  const std::string& path() const { return path_; }          // empty: it could not be made
  const std::string& obstacle() const { return obstacle_; }  // and one line says why

 private:
  std::string path_;
  std::string obstacle_;
  int lock_ = -1;  // held for as long as somebody needs the directory
};

}  // namespace lamprey::recording
