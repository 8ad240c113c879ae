// A private directory for recordings, for runs on a machine that others use too. On Lambda an
// environment has one user, and recordings lie in kDirectory.
#pragma once

#include <string>

namespace lamprey::recording {

// /tmp/lamprey-UID-XXXXXX, mode 0700, made by mkdtemp(3): a name that nobody can have taken before.
// The directory and its files are removed with this object. What a killed process left behind is
// removed after a day, when the same user makes the next one.
class OwnDirectory {
 public:
  OwnDirectory();
  ~OwnDirectory();
  OwnDirectory(const OwnDirectory&) = delete;
  OwnDirectory& operator=(const OwnDirectory&) = delete;

  const std::string& path() const { return path_; }          // empty: it could not be made
  const std::string& obstacle() const { return obstacle_; }  // one line that says why

 private:
  std::string path_;
  std::string obstacle_;
  int lock_ = -1;  // held for as long as somebody needs the directory
};

}  // namespace lamprey::recording
