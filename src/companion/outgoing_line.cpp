// A line by sendfile(2), or by write(2) where that is not possible; see the header.
#include "companion/outgoing_line.h"

#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace lamprey::companion {

OutgoingLine::OutgoingLine(std::string text, off_t* counter)
    : text_(std::move(text)), counter_(counter) {}

OutgoingLine::~OutgoingLine() {
  if (spool_ >= 0) {
    close(spool_);
  }
}

// Sends by sendfile, from a file in memory that nobody changes afterwards: the pipe may still refer
// to that file's page. Not used into a file: sendfile(2) takes the file's offset without the lock
// that write(2) takes, and so overwrites lines of others who share it.
OutgoingLine::Step OutgoingLine::go(int output) {
  struct stat status {};
  if (gone_ == 0 && spool_ < 0 && counter_ != nullptr && fstat(output, &status) == 0 &&
      !S_ISREG(status.st_mode)) {
    spool_ = memfd_create("lamprey-line", MFD_CLOEXEC);
    if (spool_ >= 0 &&
        write(spool_, text_.data(), text_.size()) != static_cast<ssize_t>(text_.size())) {
      close(std::exchange(spool_, -1));
    }
  }
  if (spool_ >= 0) {
    const Step step = by_sendfile(output);
    if (step != Step::kRefused) {
      return step;
    }
    close(std::exchange(spool_, -1));  // what refuses sendfile may take write
  }
  return by_write(output);
}

OutgoingLine::Step OutgoingLine::by_sendfile(int output) {
  while (gone_ < text_.size()) {
    const ssize_t went = sendfile(output, spool_, counter_, text_.size() - gone_);
    if (went > 0) {
      gone_ += static_cast<std::size_t>(went);
    } else if (went == 0 || errno != EINTR) {
      return went < 0 && errno == EAGAIN ? Step::kFull : Step::kRefused;
    }
  }
  return Step::kDone;
}

OutgoingLine::Step OutgoingLine::by_write(int output) {
  while (gone_ < text_.size()) {
    const ssize_t went = write(output, text_.data() + gone_, text_.size() - gone_);
    if (went > 0) {
      gone_ += static_cast<std::size_t>(went);
    } else if (went == 0 || errno != EINTR) {
      return went < 0 && errno == EAGAIN ? Step::kFull : Step::kRefused;
    }
  }
  return Step::kDone;
}

}  // namespace lamprey::companion
