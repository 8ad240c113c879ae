// One line on its way to standard output: how much of it has left, and sending the rest. Never
// waits where the descriptor does not block. The journal decides which line is next, and when.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>

namespace lamprey::companion {

class OutgoingLine {
 public:
  enum class Step {
    kDone,     // all of it has left
    kFull,     // the descriptor takes no more now
    kRefused,  // and never will: the reader is gone, or the disk is full
  };

  // `text` ends with its newline. `counter`, where there is one, is in a page of a file: the kernel
  // keeps in it how many bytes have left, when they leave by sendfile.
  OutgoingLine(std::string text, off_t* counter);
  ~OutgoingLine();
  OutgoingLine(const OutgoingLine&) = delete;
  OutgoingLine& operator=(const OutgoingLine&) = delete;

  Step go(int output);
  std::size_t size() const { return text_.size(); }
  std::size_t gone() const { return gone_; }

 private:
  Step by_sendfile(int output);
  Step by_write(int output);

  std::string text_;
  std::size_t gone_ = 0;
  off_t* counter_;
  int spool_ = -1;
};

}  // namespace lamprey::companion
