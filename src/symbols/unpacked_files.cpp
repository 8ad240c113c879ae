// Keeping unpacked files; see the header.
#include "symbols/unpacked_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace lamprey::symbols {

UnpackedFiles::~UnpackedFiles() {
  while (files_.front().descriptor >= 0) {
    forget_oldest();
  }
}

void UnpackedFiles::forget_oldest() {
  close(files_.front().descriptor);
  bytes_ -= files_.front().bytes;
  std::move(files_.begin() + 1, files_.end(), files_.begin());
  files_.back() = {};
}

int UnpackedFiles::find(const std::string& build_id) const {
  for (const File& file : files_) {
    if (file.descriptor >= 0 && file.build_id == build_id) {
      return fcntl(file.descriptor, F_DUPFD_CLOEXEC, 0);
    }
  }
  return -1;
}

void UnpackedFiles::keep(const std::string& build_id, int descriptor) {
  struct stat status {};
  if (fstat(descriptor, &status) != 0) {
    return;  // there was no free descriptor for it
  }
  const auto bytes = static_cast<std::uint64_t>(status.st_size);
  const auto is_full = [&] { return files_.back().descriptor >= 0 || bytes_ + bytes > kMaxBytes; };
  while (files_.front().descriptor >= 0 && is_full()) {
    forget_oldest();
  }
  const auto free = std::find_if(files_.begin(), files_.end(),
                                 [](const File& file) { return file.descriptor < 0; });
  *free = {build_id, descriptor, bytes};
  bytes_ += bytes;
}

}  // namespace lamprey::symbols
