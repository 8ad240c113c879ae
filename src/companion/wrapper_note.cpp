// Reading the wrapper's note; see the header.
#include "companion/wrapper_note.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <string_view>

namespace lamprey::companion {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{16} * 1024;

std::string read_whole(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    return {};
  }
  std::string text;
  struct stat status {};
  if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
      status.st_size > 0 && static_cast<std::size_t>(status.st_size) <= kMaxBytes) {
    text.resize(static_cast<std::size_t>(status.st_size));
    const ssize_t got = pread(descriptor, text.data(), text.size(), 0);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  }
  close(descriptor);
  return text;
}

}  // namespace

std::optional<WrapperNote> read_wrapper_note(const std::string& path) {
  const std::string text = read_whole(path);
  if (text.empty()) {
    return std::nullopt;
  }
  WrapperNote note;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
      continue;
    }
    const std::string_view key = line.substr(0, equals);
    const std::string_view value = line.substr(equals + 1);
    if (key == "environment") {
      note.environment = value;
    } else if (key == "library") {
      note.library = value;
    } else if (key == "command") {
      note.command = value;
    } else if (key == "started_ns") {
      std::from_chars(value.data(), value.data() + value.size(), note.started_ns);
    }
  }
  return note;
}

std::string why_unrecorded(const std::optional<WrapperNote>& note) {
  if (!note) {
    return "nothing recorded: no word from the wrapper: it was not used (set "
           "AWS_LAMBDA_EXEC_WRAPPER=/opt/lamprey, on provided.* runtimes "
           "LD_PRELOAD=/opt/lib/liblamprey.so), or /tmp is full";
  }
  if (note->library == "missing") {
    return "nothing recorded: the wrapper found no liblamprey.so beside it";
  }
  if (note->library == "architecture") {
    return "nothing recorded: the layer is for another architecture than this function";
  }
  if (note->library == "tmp") {
    return "nothing recorded: /tmp was not writable";
  }
  if (note->library == "off") {
    return "nothing recorded: LAMPREY=off in the function's environment";
  }
  return "nothing recorded: the library did not attach: a static program, a runtime that is not "
         "linked to glibc, or no room in /tmp";
}

}  // namespace lamprey::companion
