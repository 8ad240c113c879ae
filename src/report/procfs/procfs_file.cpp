// Reading what the kernel writes; see the header. Everything goes through one small buffer.
#include "report/procfs/procfs_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

namespace lamprey::report {
namespace {

// From where the descriptor stands, or from `offset` on.
std::string read_all(int descriptor, std::size_t most) {
  std::string text;
  std::array<char, 4096> piece;  // not cleared first: most of these files are short
  while (text.size() < most) {
    const ssize_t got = pread(descriptor, piece.data(), std::min(piece.size(), most - text.size()),
                              static_cast<off_t>(text.size()));
    if (got <= 0) {
      break;
    }
    text.append(piece.data(), static_cast<std::size_t>(got));
    if (static_cast<std::size_t>(got) < piece.size() / 2) {
      break;  // the kernel stops early only for a line that has no room left: this was the end
    }
  }
  return text;
}

}  // namespace

std::string read_kernel_text(const std::string& path, std::size_t most) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return {};
  }
  std::string text = read_all(descriptor, most);
  close(descriptor);
  return text;
}

KernelFile::KernelFile(std::string path) : path_(std::move(path)) {}

KernelFile::~KernelFile() {
  if (descriptor_ >= 0) {
    close(descriptor_);
  }
}

bool KernelFile::is_open() {
  if (descriptor_ < 0) {
    descriptor_ = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  }
  return descriptor_ >= 0;
}

std::string KernelFile::read() { return is_open() ? read_all(descriptor_, kMax) : std::string(); }

KernelFile::Piece KernelFile::read_short() {
  Piece piece;  // NOLINT: only what was read is looked at
  const ssize_t got = is_open() ? pread(descriptor_, piece.bytes.data(), piece.bytes.size(), 0) : 0;
  piece.size = got > 0 ? static_cast<std::size_t>(got) : 0;
  return piece;
}

}  // namespace lamprey::report
