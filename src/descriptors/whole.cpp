// Whole texts by write(2); see the header.
#include "descriptors/whole.h"

#include <unistd.h>

#include <cerrno>

#include "descriptors/ready.h"

namespace lamprey::descriptors {

bool write_whole(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = write(descriptor, text.data(), text.size());
    if (wrote > 0) {
      text.remove_prefix(static_cast<std::size_t>(wrote));
    } else if (wrote == 0) {
      errno = EIO;  // a device that takes nothing and does not say why
      return false;
    } else if (errno == EAGAIN) {
      wait_writable(descriptor, std::nullopt);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

}  // namespace lamprey::descriptors
