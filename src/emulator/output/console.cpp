// Where log lines go. It makes no lines itself.
#include "emulator/output/console.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "descriptors/ready.h"

namespace lamprey::emulator {
namespace {

void write_line(int file, std::string_view line) {
  char newline = '\n';
  iovec parts[2] = {{const_cast<char*>(line.data()), line.size()}, {&newline, 1}};
  int first = 0;
  while (first < 2) {
    const ssize_t written = writev(file, parts + first, 2 - first);
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0 && errno == EAGAIN) {  // as if it blocked: a line that is cut is no line
      descriptors::wait_writable(file, std::nullopt);
      continue;
    }
    if (written < 0) {
      return;  // nobody reads our output any more: nothing to be done about it
    }
    auto left = static_cast<std::size_t>(written);
    while (first < 2 && left >= parts[first].iov_len) {
      left -= parts[first].iov_len;
      ++first;
    }
    if (first < 2) {
      parts[first].iov_base = static_cast<char*>(parts[first].iov_base) + left;
      parts[first].iov_len -= left;
    }
  }
}

bool is_record(std::string_view line) {
  if (!line.starts_with('{') || line.find("\"lamprey\"") == std::string_view::npos) {
    return false;
  }
  const auto parsed = nlohmann::json::parse(line, nullptr, false);
  return parsed.is_object() && parsed.contains("lamprey");
}

}  // namespace

Console::Console(const std::string& out, Sink sink) : sink_(std::move(sink)) {
  if (!out.empty()) {
    out_ = open(out.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  }
}

Console::~Console() {
  if (out_ >= 0) {
    close(out_);
  }
}

void Console::line(std::string_view line) {
  if (sink_) {
    sink_(line);
    return;
  }
  write_line(STDOUT_FILENO, line);
}

void Console::process_line(std::string_view text) {
  if (text.find('\r') != std::string_view::npos) {
    // Runtime clients write a message of several lines with \r, which CloudWatch shows as breaks.
    std::string broken(text);
    std::replace(broken.begin(), broken.end(), '\r', '\n');
    line(broken);
  } else {
    line(text);
  }
  if (out_ >= 0 && is_record(text)) {
    write_line(out_, text);
  }
}

void Console::complain(const std::string& message) {
  std::fprintf(stderr, "lamprey local: %s\n", message.c_str());
}

}  // namespace lamprey::emulator
