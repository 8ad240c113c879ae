// Making text harmless; see the header.
#include "cli/output/printable.h"

#include <algorithm>
#include <cstdint>

namespace lamprey::cli {
namespace {

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

struct Character {
  std::size_t size;  // in bytes
  std::uint32_t point;
  bool valid;
};

// The character that `text`, which is not empty, begins with.
Character first_of(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) {
    return {1, lead, true};
  }
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < size) {
    return {1, 0, false};
  }
  std::uint32_t point = lead & (0x7FU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if (!continues(text[i])) {
      return {1, 0, false};
    }
    point = (point << 6U) | (static_cast<unsigned char>(text[i]) & 0x3FU);
  }
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool valid =
      point >= kLeast[size] && point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF);
  return valid ? Character{size, point, true} : Character{1, 0, false};
}

bool steers(std::uint32_t point) {
  return point < 0x20 || (point >= 0x7F && point <= 0x9F) || point == 0x200E || point == 0x200F ||
         point == 0x061C || (point >= 0x2028 && point <= 0x202E) ||
         (point >= 0x2066 && point <= 0x2069) || point == 0xFEFF;
}

// The length of the colour that `text` begins with, 0 when it is none.
std::size_t colour_size(std::string_view text) {
  if (!text.starts_with("\x1B[")) {
    return 0;
  }
  const std::size_t end = text.find_first_not_of("0123456789;", 2);
  return end != std::string_view::npos && text[end] == 'm' ? end + 1 : 0;
}

std::string cleaned(std::string_view text, bool keep_tabs, bool keep_colours) {
  std::string clean;
  clean.reserve(text.size());
  while (!text.empty()) {
    const std::size_t colour = keep_colours ? colour_size(text) : 0;
    if (colour != 0) {
      clean += text.substr(0, colour);
      text.remove_prefix(colour);
      continue;
    }
    const Character character = first_of(text);
    const bool tab = keep_tabs && character.point == '\t' && character.valid;
    if (tab || (character.valid && !steers(character.point))) {
      clean += text.substr(0, character.size);
    } else {
      clean += '?';
    }
    text.remove_prefix(character.size);
  }
  return clean;
}

}  // namespace

std::string printable(std::string_view text, bool keep_tabs) {
  return cleaned(text, keep_tabs, false);
}

std::string printable_log(std::string_view line) {
  std::string clean = cleaned(line, true, true);
  if (clean.find('\x1B') != std::string::npos) {
    clean += "\x1B[0m";  // a colour that was left on must not go on in what follows
  }
  return clean;
}

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !continues(c); }));
}

std::string shortened(std::string_view text, std::size_t columns) {
  if (width_of(text) <= columns) {
    return std::string(text);
  }
  constexpr std::string_view kMore = "...";
  std::size_t at = 0;
  for (std::size_t width = 0; at < text.size(); ++at) {
    width += continues(text[at]) ? 0 : 1;
    if (width > std::max(columns, kMore.size()) - kMore.size()) {
      break;
    }
  }
  return std::string(text.substr(0, at)) + std::string(kMore);
}

}  // namespace lamprey::cli
