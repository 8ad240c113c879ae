// See the header.
#include "recording/told_mark.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <string>

namespace lamprey::recording {

ToldMark::~ToldMark() {
  if (descriptor_ >= 0) {
    close(descriptor_);
  }
}

// The file is opened by its descriptor, so it is the one that is being read, whatever has its path
// by now.
void ToldMark::tell(int descriptor, const Header& header, std::uint64_t next) {
  if (header.trail.count == 0 || next == told_) {
    return;
  }
  if (descriptor_ < 0) {
    const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
    descriptor_ = open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK);
  }
  const auto at = static_cast<off_t>(header.trail.offset + offsetof(Trail, told_until));
  if (descriptor_ >= 0 && pwrite(descriptor_, &next, sizeof(next), at) == sizeof(next)) {
    told_ = next;
  }
}

}  // namespace lamprey::recording
