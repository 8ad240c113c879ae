// Reads a pipe and gives it on line by line. It does not know whose pipe it is.
#include "emulator/base/line_reader.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace lamprey::emulator {
namespace {

constexpr std::size_t kChunk = 64U << 10;
constexpr std::size_t kMaxAtOnce = 4U << 20;     // an endless writer must not stop the clock
constexpr std::size_t kLongestLine = 16U << 20;  // a line without an end is given in such pieces

}  // namespace

LineReader::LineReader(boost::asio::io_context& io, int fd, OnLine on_line)
    : pipe_(io, fd), on_line_(std::move(on_line)) {}

void LineReader::start() { wait(); }

void LineReader::wait() {
  pipe_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                   [self = shared_from_this()](boost::system::error_code error) {
                     if (error || !self->pipe_.is_open()) {
                       return;
                     }
                     self->drain();
                     if (self->pipe_.is_open()) {
                       self->wait();
                     }
                   });
}

void LineReader::drain() {
  std::array<char, kChunk> chunk;
  std::size_t total = 0;
  while (pipe_.is_open() && total < kMaxAtOnce) {
    const ssize_t got = read(pipe_.native_handle(), chunk.data(), chunk.size());
    if (got > 0) {
      total += static_cast<std::size_t>(got);
      give_lines({chunk.data(), static_cast<std::size_t>(got)});
    } else if (got < 0 && errno == EINTR) {
      continue;
    } else if (got < 0 && errno == EAGAIN) {
      return;
    } else {  // every writer is gone
      if (!unfinished_.empty()) {
        on_line_(std::exchange(unfinished_, {}));
      }
      boost::system::error_code ignored;
      pipe_.close(ignored);
    }
  }
}

void LineReader::close() {
  drain();
  if (!unfinished_.empty()) {
    on_line_(std::exchange(unfinished_, {}));
  }
  boost::system::error_code ignored;
  pipe_.close(ignored);
}

void LineReader::give_lines(std::string_view chunk) {
  while (!chunk.empty()) {
    const auto end = chunk.find('\n');
    if (end == std::string_view::npos) {
      unfinished_.append(chunk);
      if (unfinished_.size() >= kLongestLine) {
        on_line_(std::exchange(unfinished_, {}));
      }
      return;
    }
    if (unfinished_.empty()) {
      on_line_(chunk.substr(0, end));
    } else {
      unfinished_.append(chunk.substr(0, end));
      on_line_(std::exchange(unfinished_, {}));
    }
    chunk.remove_prefix(end + 1);
  }
}

}  // namespace lamprey::emulator
