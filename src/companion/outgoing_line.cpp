// A line by sendfile(2), or by write(2) where that is not possible; see the header.
#include "companion/outgoing_line.h"

#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace lamprey::companion {
namespace {

constexpr off_t kLongEnough = off_t{64} * 1024;  // a line has up to 60 KB

}  // namespace

LineSpool::~LineSpool() {
  if (descriptor_ >= 0) {
    close(descriptor_);
  }
}

std::optional<off_t> LineSpool::put(std::string_view text) {
  if (refused_) {
    return std::nullopt;
  }
  if (descriptor_ < 0) {
    descriptor_ = memfd_create("lamprey-lines", MFD_CLOEXEC);
  }
  const auto size = static_cast<off_t>(text.size());
  if (end_ != 0 && end_ + size > kLongEnough) {
    refused_ = ftruncate(descriptor_, 0) != 0;
    end_ = 0;
  }
  if (refused_ || descriptor_ < 0 || pwrite(descriptor_, text.data(), text.size(), end_) != size) {
    refused_ = true;  // no memory for it, or no such files here
    return std::nullopt;
  }
  return std::exchange(end_, end_ + size);
}

OutgoingLine::OutgoingLine(std::string text) : text_(std::move(text)) {}

OutgoingLine::OutgoingLine(std::string text, LineSpool& spool, off_t* counter)
    : text_(std::move(text)), spool_(&spool), counter_(counter) {}

OutgoingLine::Step OutgoingLine::go(int output) {
  if (spool_ != nullptr) {
    const Step step = by_sendfile(output);
    if (step != Step::kRefused) {
      return step;
    }
    std::exchange(spool_, nullptr)->refuse();  // what refuses sendfile may take write
  }
  return by_write(output);
}

OutgoingLine::Step OutgoingLine::by_sendfile(int output) {
  while (gone_ < text_.size()) {
    const ssize_t went = sendfile(output, spool_->descriptor(), counter_, text_.size() - gone_);
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
