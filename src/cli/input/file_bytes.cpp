// Reading a file, and unpacking gzip by zlib; see the header. Members that follow one another are
// one text, as `cat a.gz b.gz` makes them.
#include "cli/input/file_bytes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

namespace lamprey::cli {
namespace {

constexpr std::size_t kAhead = 256U << 10;

}  // namespace

class FileBytes::Unpacking {
 public:
  Unpacking() {
    constexpr int kGzip =
        MAX_WBITS + 16;  // zlib.h: with gzip's header and trailer, which it checks
    if (inflateInit2(&stream, kGzip) != Z_OK) {
      throw std::bad_alloc();
    }
  }
  ~Unpacking() { inflateEnd(&stream); }
  Unpacking(const Unpacking&) = delete;
  Unpacking& operator=(const Unpacking&) = delete;

  z_stream stream{};
  bool in_member = true;
  bool done = false;
};

FileBytes::FileBytes(int descriptor, bool own) : descriptor_(descriptor), own_(own) {
  struct stat status {};
  regular_ = fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
}

FileBytes::~FileBytes() {
  if (own_) {
    close(descriptor_);
  }
}

std::unique_ptr<FileBytes> FileBytes::open(const std::string& path) {
  if (path == "-") {
    return std::unique_ptr<FileBytes>(new FileBytes(STDIN_FILENO, false));
  }
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (descriptor >= 0 && fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode)) {
    close(descriptor);
    errno = EISDIR;
    return nullptr;
  }
  return descriptor < 0 ? nullptr : std::unique_ptr<FileBytes>(new FileBytes(descriptor, true));
}

std::size_t FileBytes::read_plain(char* into, std::size_t most) {
  while (true) {
    const ssize_t got = ::read(descriptor_, into, most);
    if (got >= 0) {
      taken_ += static_cast<std::size_t>(got);
      return static_cast<std::size_t>(got);
    }
    if (errno != EINTR) {
      fault_ = std::strerror(errno);
      return 0;
    }
  }
}

// False at the end of the file.
bool FileBytes::refill() {
  ahead_.erase(0, ahead_at_);
  ahead_at_ = 0;
  const std::size_t had = ahead_.size();
  ahead_.resize(had + kAhead);
  const std::size_t got = read_plain(ahead_.data() + had, kAhead);
  ahead_.resize(had + got);
  return got > 0;
}

bool FileBytes::enough(std::size_t count) {
  while (ahead_.size() - ahead_at_ < count) {
    if (!refill()) {
      return false;
    }
  }
  return true;
}

std::size_t FileBytes::read(char* into, std::size_t most) {
  if (!begun_) {
    begun_ = true;
    enough(2);
    if (std::string_view(ahead_).starts_with("\x1f\x8b")) {
      unpacking_ = std::make_unique<Unpacking>();
    }
  }
  if (unpacking_ != nullptr) {
    return unpack(into, most);
  }
  if (ahead_at_ < ahead_.size()) {
    const std::size_t given = std::min(most, ahead_.size() - ahead_at_);
    std::memcpy(into, ahead_.data() + ahead_at_, given);
    ahead_at_ += given;
    return given;
  }
  return fault_.empty() ? read_plain(into, most) : 0;
}

std::size_t FileBytes::unpack(char* into, std::size_t most) {
  Unpacking& state = *unpacking_;
  const auto ends = [&state, this](const char* why) {
    state.done = true;
    if (fault_.empty()) {
      fault_ = why;
    }
  };
  std::size_t made = 0;
  while (!state.done && made == 0) {
    if (!enough(1)) {
      state.in_member ? ends("the compressed file is cut") : void();
      state.done = true;
      break;
    }
    if (!state.in_member && !std::string_view(ahead_).substr(ahead_at_).starts_with('\x1f')) {
      ends("what follows the compressed text is not gzip");
      break;
    }
    state.in_member = true;
    const std::size_t had = ahead_.size() - ahead_at_;
    state.stream.next_in = reinterpret_cast<Bytef*>(ahead_.data() + ahead_at_);
    state.stream.avail_in = static_cast<uInt>(had);
    state.stream.next_out = reinterpret_cast<Bytef*>(into);
    state.stream.avail_out = static_cast<uInt>(std::min<std::size_t>(most, 1U << 30U));
    const int result = inflate(&state.stream, Z_NO_FLUSH);
    ahead_at_ += had - state.stream.avail_in;
    made = static_cast<std::size_t>(reinterpret_cast<char*>(state.stream.next_out) - into);
    if (result == Z_STREAM_END) {
      state.in_member = false;
      inflateReset(&state.stream);
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      ends("the compressed file is damaged");
    }
  }
  return made;
}

}  // namespace lamprey::cli
