// The unpacked .gnu_debugdata of the modules that were asked for last, so that a new stack in libc
// does not unpack it again. Files without names (mini_debug_info.h); gone with this object.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace lamprey::symbols {

class UnpackedFiles {
 public:
  // `folder`: where such files are made.
  explicit UnpackedFiles(std::string folder) : folder_(std::move(folder)) {}
  ~UnpackedFiles();
  UnpackedFiles(const UnpackedFiles&) = delete;
  UnpackedFiles& operator=(const UnpackedFiles&) = delete;

  const std::string& folder() const { return folder_; }
  // A descriptor of the file of that build, the caller's to close; -1 when there is none.
  int find(const std::string& build_id) const;
  // Takes the descriptor. Older files go when there are kMax or all together are larger than
  // kMaxBytes.
  void keep(const std::string& build_id, int descriptor);

  static constexpr std::size_t kMax = 4;
  static constexpr std::uint64_t kMaxBytes = std::uint64_t{8} << 20;

 private:
  struct File {
    std::string build_id;
    int descriptor = -1;
    std::uint64_t bytes = 0;
  };
  void forget_oldest();

  std::string folder_;
  std::array<File, kMax> files_;  // oldest first; without a descriptor behind the last
  std::uint64_t bytes_ = 0;
};

}  // namespace lamprey::symbols
