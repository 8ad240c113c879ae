// One line on its way to standard output: how far it came, and how it goes on. Never waits where
// the descriptor does not block. Which line is next, and when, is the journal's.
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
    kRefused,  // and never will: nobody reads any more, the disk is full
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
