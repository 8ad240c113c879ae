// See compatibility.h.
#include "preload/process/compatibility.h"

#include <fcntl.h>

#include "preload/base/raw_syscall.h"
#include "preload/base/text.h"
#include "preload/libc/environment.h"
#include "preload/libc/real.h"

namespace lamprey::preload {
inline namespace process {
namespace compatibility {
namespace {

constexpr const char* kName = "lamprey.compatibility";
constexpr std::size_t kMaxBytes = 4096;  // rows behind it are not read; a test holds the list to it

char g_list[kMaxBytes] = {};  // rows only, each with its newline, NUL behind the last
const char* g_runtime = nullptr;
const char* g_libc = nullptr;

bool ends_word(char c) { return c == ' ' || c == '\n' || c == '\0'; }

// Moves `at` behind the word that it begins with, and the spaces after it; false: it is another
// word.
bool take_word(const char*& at, const char* word) {
  const char* end = at;
  while (*word != '\0' && *end == *word) {
    ++end;
    ++word;
  }
  if (*word != '\0' || !ends_word(*end)) {
    return false;
  }
  while (*end == ' ') {
    ++end;
  }
  at = end;
  return true;
}

bool is_hex_of(const char* at, const std::uint8_t* bytes, std::size_t count) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (std::size_t i = 0; i < count; ++i) {
    if (*at++ != kDigits[bytes[i] >> 4U] || *at++ != kDigits[bytes[i] & 15U]) {
      return false;
    }
  }
  return count != 0 && ends_word(*at);
}

bool is_about_us(const char* at, const std::uint8_t* build_id, std::size_t bytes) {
  if (take_word(at, "build-id")) {
    return is_hex_of(at, build_id, bytes);
  }
  if (take_word(at, "runtime")) {
    return g_runtime != nullptr && take_word(at, g_runtime);
  }
  return take_word(at, "libc") && g_libc != nullptr && take_word(at, g_libc);
}

// Leaves rows alone: most lists are comments, and each module is compared with what stays.
void keep_rows(std::size_t bytes) {
  std::size_t kept = 0;
  bool skips = false;
  bool begins = true;
  for (std::size_t i = 0; i < bytes; ++i) {
    const char c = g_list[i];
    skips = begins ? c == '#' || c == '\n' : skips;
    begins = c == '\n';
    if (!skips) {
      g_list[kept++] = c;
    }
  }
  g_list[kept] = '\0';
}

}  // namespace

void attach() {
  char path[512];
  const std::size_t directory = own_directory(path, sizeof(path));
  if (directory == 0 || directory + length_of(kName) >= sizeof(path)) {
    return;
  }
  copy_text(path + directory, sizeof(path) - directory, kName);
  const long fd = raw_syscall(SYS_openat, AT_FDCWD, pointer_argument(path),
                              O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
  if (fd < 0) {
    return;
  }
  const long got = raw_syscall(SYS_read, fd, pointer_argument(g_list), sizeof(g_list) - 1);
  raw_syscall(SYS_close, fd);
  keep_rows(got > 0 ? static_cast<std::size_t>(got) : 0);
  g_runtime = environment_value("AWS_EXECUTION_ENV");
  g_libc = g_real.gnu_get_libc_version != nullptr ? g_real.gnu_get_libc_version() : nullptr;
}

bool is_off(const char* part) { return is_off(part, nullptr, 0); }

bool is_off(const char* part, const std::uint8_t* build_id, std::size_t bytes) {
  for (const char* row = g_list; *row != '\0';) {
    const char* at = row;
    if (take_word(at, part) && is_about_us(at, build_id, bytes)) {
      return true;
    }
    while (*row != '\0' && *row++ != '\n') {
    }
  }
  return false;
}

}  // namespace compatibility
}  // namespace process
}  // namespace lamprey::preload
