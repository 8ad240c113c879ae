// Terminals; see the header.
#include "cli/output/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>

#include "cli/output/printable.h"
#include "descriptors/whole.h"

namespace lamprey::cli {
namespace {

constexpr std::size_t kUsualWidth = 80;
constexpr std::size_t kLeastWidth = 20;
constexpr auto kPatience = std::chrono::seconds(1);
constexpr auto kPause = std::chrono::milliseconds(200);

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

// By the locale's name, the first that is set of those that say which characters there are.
bool writes_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') {
      std::string locale = value;
      std::transform(locale.begin(), locale.end(), locale.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
    }
  }
  return false;
}

std::size_t width_of_terminal(int descriptor) {
  winsize size{};
  if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col >= kLeastWidth) {
    return size.ws_col;
  }
  return kUsualWidth;
}

}  // namespace

bool is_terminal(int descriptor) { return isatty(descriptor) == 1; }

Style style_of(int descriptor) {
  if (!is_terminal(descriptor)) {
    return {};
  }
  const char* kind = std::getenv("TERM");
  const bool dumb = kind == nullptr || std::strcmp(kind, "dumb") == 0;
  return {!dumb && !is_set("NO_COLOR"), width_of_terminal(descriptor), writes_utf8()};
}

ProgressLine::ProgressLine()
    : wanted_(is_terminal(STDERR_FILENO)), next_(Clock::now() + kPatience) {}

bool ProgressLine::is_due() const { return wanted_ && Clock::now() >= next_; }

void ProgressLine::show(const std::string& text) {
  if (!is_due()) {
    return;
  }
  const std::string line = shortened(printable(text), width_of_terminal(STDERR_FILENO) - 1);
  shown_ = descriptors::write_whole(STDERR_FILENO, "\r\x1B[K" + line);
  next_ = Clock::now() + kPause;
}

void ProgressLine::clear() {
  if (shown_) {
    descriptors::write_whole(STDERR_FILENO, "\r\x1B[K");
    shown_ = false;
    next_ = Clock::now();  // it comes back at once
  }
}

}  // namespace lamprey::cli
