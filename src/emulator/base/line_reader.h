// Reads a pipe and gives it on line by line. It does not know whose pipe it is.
//
// Thread-safety: none; everything runs on the thread of the io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace lamprey::emulator {

class LineReader : public std::enable_shared_from_this<LineReader> {
 public:
  // A line comes without its newline. `on_line` must not destroy the reader.
  using OnLine = std::function<void(std::string_view)>;

  // Takes ownership of `fd`, which must be non-blocking.
  LineReader(boost::asio::io_context& io, int fd, OnLine on_line);
  void start();
  void drain();  // everything that is in the pipe now, without waiting
  bool open() const { return pipe_.is_open(); }
  void close();  // drains, gives an unfinished last line, closes

 private:
  void wait();
  void give_lines(std::string_view chunk);

  boost::asio::posix::stream_descriptor pipe_;
  OnLine on_line_;
  std::string unfinished_;
};

}  // namespace lamprey::emulator
