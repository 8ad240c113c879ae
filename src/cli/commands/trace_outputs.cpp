// Writing traces; see the header.
#include "cli/commands/trace_outputs.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "descriptors/whole.h"

namespace lamprey::cli {
namespace {

constexpr std::size_t kBuffer = 1U << 20;

}  // namespace

PieceFile::PieceFile(const char* option, const std::string& path) : option_(option), path_(path) {
  if (path == "-") {
    file_ = STDOUT_FILENO;
  } else if (!path.empty()) {
    file_ = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    error_ = file_ < 0 ? errno : 0;
  }
}

void PieceFile::write(std::string_view text) {
  buffer_ += text;
  if (buffer_.size() > kBuffer) {
    flush();
  }
}

bool PieceFile::finish() {
  flush();
  shut();
  if (error_ != 0) {
    std::fprintf(stderr, "lamprey: %s %s cannot be written: %s\n", option_, path_.c_str(),
                 std::strerror(error_));
  }
  return error_ == 0;
}

void PieceFile::flush() {
  if (is_wanted() && error_ == 0 && !descriptors::write_whole(file_, buffer_)) {
    error_ = errno;
  }
  buffer_.clear();
}

void PieceFile::shut() {
  if (file_ > STDOUT_FILENO && close(file_) != 0 && error_ == 0) {
    error_ = errno;
  }
  file_ = -1;
}

TraceOutputs::TraceOutputs(const std::string& otlp, const std::string& perfetto)
    : otlp_("--otlp", otlp),
      perfetto_("--perfetto", perfetto),
      otlp_text_([this](std::string_view text) { otlp_.write(text); }),
      perfetto_text_([this](std::string_view text) { perfetto_.write(text); }),
      tracing_([this](const Trace& trace) {
        if (otlp_.is_wanted()) {
          otlp_text_.add(trace);
        }
        if (perfetto_.is_wanted()) {
          perfetto_text_.add(trace);
        }
      }) {}

bool TraceOutputs::finish() {
  tracing_.finish();
  otlp_text_.finish();
  perfetto_text_.finish();
  const bool first = otlp_.finish();
  return perfetto_.finish() && first;
}

}  // namespace lamprey::cli
