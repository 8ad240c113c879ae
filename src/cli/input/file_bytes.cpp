// Reading a file, and unpacking gzip (RFC 1952) around Boost.Beast's inflate; see the header.
// Members that follow one another are one text, as `cat a.gz b.gz` makes them.
#include "cli/input/file_bytes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/beast/zlib/inflate_stream.hpp>
#include <cerrno>
#include <cstring>

#include "cli/input/crc32.h"

namespace lamprey::cli {
namespace {

namespace zlib = boost::beast::zlib;

constexpr std::size_t kAhead = 256U << 10;
constexpr std::size_t kMaxHeader = 128U << 10;  // names and comments of a member

std::uint32_t little(const char* bytes) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) {
    value = (value << 8U) | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

// The length of the header that `bytes` begin with; 0: more is needed; npos: it is none.
std::size_t header_size(std::string_view bytes) {
  enum Flag : unsigned { kHeaderCrc = 2, kExtra = 4, kName = 8, kComment = 16 };
  if (bytes.size() < 10) {
    return 0;
  }
  if (!bytes.starts_with("\x1f\x8b\x08")) {
    return std::string_view::npos;
  }
  const auto flags = static_cast<unsigned>(bytes[3]);
  std::size_t at = 10;
  if ((flags & kExtra) != 0) {
    if (bytes.size() < at + 2) {
      return 0;
    }
    at += 2U + static_cast<unsigned char>(bytes[at]) +
          (std::size_t{static_cast<unsigned char>(bytes[at + 1])} << 8U);
  }
  for (const unsigned text : {kName, kComment}) {
    if ((flags & text) != 0) {
      const std::size_t end = at > bytes.size() ? std::string_view::npos : bytes.find('\0', at);
      if (end == std::string_view::npos) {
        return 0;
      }
      at = end + 1;
    }
  }
  at += (flags & kHeaderCrc) != 0 ? 2 : 0;
  return at <= bytes.size() ? at : 0;
}

}  // namespace

class FileBytes::Unpacking {
 public:
  zlib::inflate_stream inflate;
  bool in_member = false;
  bool done = false;
  std::uint32_t crc = 0;
  std::uint32_t size = 0;
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
    return std::size_t{0};
  };
  while (!state.done) {
    if (!state.in_member) {
      if (!enough(1)) {
        state.done = true;
        break;
      }
      std::size_t size = 0;
      while ((size = header_size(std::string_view(ahead_).substr(ahead_at_))) == 0) {
        if (ahead_.size() - ahead_at_ > kMaxHeader || !refill()) {
          return ends("the compressed file is cut");
        }
      }
      if (size == std::string_view::npos) {
        return ends("what follows the compressed text is not gzip");
      }
      ahead_at_ += size;
      state.inflate.reset(15);
      state.in_member = true;
      state.crc = state.size = 0;
    }
    zlib::z_params step;
    step.next_in = ahead_.data() + ahead_at_;
    step.avail_in = ahead_.size() - ahead_at_;
    step.next_out = into;
    step.avail_out = most;
    boost::beast::error_code error;
    state.inflate.write(step, zlib::Flush::sync, error);
    ahead_at_ = ahead_.size() - step.avail_in;
    const std::size_t made = most - step.avail_out;
    state.crc = crc_32({into, made}, state.crc);
    state.size += static_cast<std::uint32_t>(made);
    if (error == zlib::error::end_of_stream) {
      if (!enough(8)) {
        ends("the compressed file is cut");
        return made;
      }
      const bool right = little(ahead_.data() + ahead_at_) == state.crc &&
                         little(ahead_.data() + ahead_at_ + 4) == state.size;
      ahead_at_ += 8;
      state.in_member = false;
      if (!right) {
        ends("the compressed file is damaged: its checksum is another");
        return made;
      }
    } else if (error && error != zlib::error::need_buffers) {
      ends("the compressed file is damaged");
      return made;
    }
    if (made > 0) {
      return made;
    }
    if (state.in_member && ahead_at_ == ahead_.size() && !refill()) {
      return ends("the compressed file is cut");
    }
  }
  return 0;
}

}  // namespace lamprey::cli
