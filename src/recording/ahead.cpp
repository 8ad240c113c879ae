// One copy of many parts; see the header.
#include "recording/ahead.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "recording/layout.h"

namespace lamprey::recording {
namespace {

// One list must not have more parts than there are windows: each may need its own.
constexpr std::size_t kMaxWindows = 24;
constexpr std::size_t kMaxParts = 20;
constexpr std::size_t kMaxBytes = std::size_t{96} * 1024;

bool includes(const Ahead::Part& part, std::uint64_t offset, std::size_t bytes) {
  return offset >= part.offset && bytes <= part.bytes && offset - part.offset <= part.bytes - bytes;
}

}  // namespace

Ahead::Ahead() : self_(getpid()) {}

Ahead::~Ahead() {
  for (const Window& window : windows_) {
    munmap(window.address, window.part.bytes);
  }
}

void Ahead::begin(int descriptor) {
  descriptor_ = descriptor;
  copied_ = false;
  parts_.clear();
  places_.clear();
  from_.clear();
}

// The windows that were used last are at the end: the first one is given up for a new one.
const char* Ahead::mapped(Part part, Part window) {
  for (auto known = windows_.begin(); known != windows_.end(); ++known) {
    if (includes(known->part, part.offset, part.bytes)) {
      std::rotate(known, known + 1, windows_.end());
      return windows_.back().address + (part.offset - windows_.back().part.offset);
    }
  }
  const std::uint64_t begin = window.offset / kPageBytes * kPageBytes;
  const std::size_t bytes = page_up(window.offset + window.bytes - begin);
  if (!includes({begin, bytes}, part.offset, part.bytes)) {
    return nullptr;
  }
  void* const address =
      mmap(nullptr, bytes, PROT_READ, MAP_SHARED, descriptor_, static_cast<off_t>(begin));
  if (address == MAP_FAILED) {
    return nullptr;
  }
  // One that begins there, too, has become too small. Kept, it would take the place of one in use.
  // What this list has parts of stays.
  auto given_up = std::find_if(windows_.begin(), windows_.end(), [&](const Window& known) {
    return known.part.offset == begin &&
           std::none_of(from_.begin(), from_.end(), [&known](const iovec& wanted) {
             const auto* const at = static_cast<const char*>(wanted.iov_base);
             return at >= known.address && at < known.address + known.part.bytes;
           });
  });
  if (given_up == windows_.end() && windows_.size() >= kMaxWindows) {
    given_up = windows_.begin();
  }
  if (given_up != windows_.end()) {
    munmap(given_up->address, given_up->part.bytes);
    windows_.erase(given_up);
  }
  windows_.push_back({{begin, bytes}, static_cast<char*>(address)});
  return windows_.back().address + (part.offset - begin);
}

void Ahead::want(Part part, Part window) {
  const std::size_t place = places_.empty() ? 0 : places_.back() + parts_.back().bytes;
  if (!able_ || part.bytes == 0 || parts_.size() >= kMaxParts || place + part.bytes > kMaxBytes) {
    return;
  }
  if (const char* address = mapped(part, window)) {
    parts_.push_back(part);
    places_.push_back(place);
    from_.push_back({const_cast<char*>(address), part.bytes});  // NOLINT: iovec is for both ways
  }
}

bool Ahead::copy() {
  if (!able_ || parts_.empty()) {
    return false;
  }
  const std::size_t bytes = places_.back() + parts_.back().bytes;
  if (bytes_.size() < bytes) {
    bytes_.resize(bytes);
  }
  const iovec into = {bytes_.data(), bytes};
  const ssize_t got = process_vm_readv(self_, &into, 1, from_.data(), from_.size(), 0);
  copied_ = got == static_cast<ssize_t>(bytes);
  able_ = got >= 0;  // EFAULT, too: the file was cut, and the first part is gone
  return copied_;
}

bool Ahead::take(std::size_t index, std::uint64_t offset, void* into, std::size_t bytes) const {
  const Part& part = parts_[index];
  if (!includes(part, offset, bytes)) {
    return false;
  }
  std::memcpy(into, bytes_.data() + places_[index] + (offset - part.offset), bytes);
  return true;
}

bool Ahead::first(std::uint64_t offset, void* into, std::size_t bytes) const {
  for (std::size_t i = 0; copied_ && i < parts_.size(); ++i) {
    if (take(i, offset, into, bytes)) {
      return true;
    }
  }
  return false;
}

bool Ahead::last(std::uint64_t offset, void* into, std::size_t bytes) const {
  for (std::size_t i = parts_.size(); copied_ && i > 0; --i) {
    if (take(i - 1, offset, into, bytes)) {
      return true;
    }
  }
  return false;
}

}  // namespace lamprey::recording
