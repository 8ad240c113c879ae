// Writing a file; see the header.
#include "cli/commands/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "descriptors/whole.h"

namespace lamprey::cli {

bool write_all(const char* option, const std::string& path, const std::string& content) {
  const bool standard = path == "-";
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
  const int file = standard ? STDOUT_FILENO : open(path.c_str(), kFlags, 0666);
  const bool written = file >= 0 && descriptors::write_whole(file, content);
  const bool closed = file >= 0 && (standard || close(file) == 0);
  if (!written || !closed) {
    std::fprintf(stderr, "lamprey: %s %s cannot be written: %s\n", option, path.c_str(),
                 std::strerror(errno));
  }
  return written && closed;
}

}  // namespace lamprey::cli
