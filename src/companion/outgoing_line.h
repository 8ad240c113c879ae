// One line on its way to standard output: how much of it has left, and sending the rest. Never
// waits where the descriptor does not block. The journal decides which line is next, and when.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace lamprey::companion {

// A file in memory from which lines leave by sendfile(2). The pipe refers to its pages, so what is
// in it never changes: each line stands behind the one before. Once it is long enough it begins
// anew; pages that are cut off stay as they are for whoever still refers to them.
class LineSpool {
 public:
  LineSpool() = default;
  ~LineSpool();
  LineSpool(const LineSpool&) = delete;
  LineSpool& operator=(const LineSpool&) = delete;

  // Where the text now stands; nothing when it cannot be kept, or was refused before. Only while no
  // line is on its way.
  std::optional<off_t> put(std::string_view text);
  // The output does not take sendfile: it is not tried again.
  void refuse() { refused_ = true; }
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_ = -1;
  off_t end_ = 0;
  bool refused_ = false;
};

class OutgoingLine {
 public:
  enum class Step {
    kDone,     // all of it has left
    kFull,     // the descriptor takes no more now
    kRefused,  // and never will: the reader is gone, or the disk is full
  };

  // `text` ends with its newline.
  explicit OutgoingLine(std::string text);
  // It was put into `spool`. `counter` is in a page of a file and says where: the kernel keeps in
  // it how far the line has come.
  OutgoingLine(std::string text, LineSpool& spool, off_t* counter);

  Step go(int output);
  std::size_t size() const { return text_.size(); }
  std::size_t gone() const { return gone_; }
  // The kernel has noted all of what is gone.
  bool is_noted() const { return spool_ != nullptr; }

 private:
  Step by_sendfile(int output);
  Step by_write(int output);

  std::string text_;
  std::size_t gone_ = 0;
  LineSpool* spool_ = nullptr;  // null: by write(2)
  off_t* counter_ = nullptr;
};

}  // namespace lamprey::companion
