// Frames by their words; see the header.
#include "report/text/frame_words.h"

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

#include "recording/source_function.h"

namespace lamprey::report {
namespace {

using recording::Language;
using recording::SourceFunction;

constexpr std::string_view kMore = "...";
constexpr std::string_view kAsync = "async ";

struct Words {
  std::string_view name;
  std::string_view place;  // a file or a module, without its line or offset
  bool has_offset = false;
};

// "f (m +0x12)" → f, m; "f (/a.py:12)" → f, /a.py; "f" → f.
Words words_of(std::string_view frame) {
  if (frame.starts_with(kAsync)) {
    frame.remove_prefix(kAsync.size());
  }
  const std::size_t open = frame.rfind(" (");
  if (open == std::string_view::npos || open == 0 || !frame.ends_with(')')) {
    return {frame, {}, false};
  }
  Words words{frame.substr(0, open), frame.substr(open + 2, frame.size() - open - 3), false};
  if (const std::size_t offset = words.place.rfind(" +0x"); offset != std::string_view::npos) {
    words.place = words.place.substr(0, offset);
    words.has_offset = true;
  } else if (const std::size_t colon = words.place.rfind(':');
             colon != std::string_view::npos && colon + 1 < words.place.size() &&
             words.place.find_first_not_of("0123456789", colon + 1) == std::string_view::npos) {
    words.place = words.place.substr(0, colon);
  }
  return words;
}

bool ends_with_any(std::string_view text, std::initializer_list<std::string_view> ends) {
  for (const std::string_view end : ends) {
    if (text.ends_with(end)) {
      return true;
    }
  }
  return false;
}

// By the file's name. Java's functions may have none: they are told by their packages.
Language language_of(std::string_view file) {
  if (file.starts_with("<internal:") || file.ends_with(".rb")) {
    return Language::kRuby;
  }
  if (file.starts_with("<frozen") || file.starts_with("<string>") || file.ends_with(".py")) {
    return Language::kPython;
  }
  if (file.starts_with("node:") ||
      ends_with_any(file, {".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".jsx", ".tsx"})) {
    return Language::kJavaScript;
  }
  if (file.empty() || ends_with_any(file, {".java", ".kt", ".scala", ".groovy", ".clj"})) {
    return Language::kJava;
  }
  return Language::kNone;
}

// Frames of the C++ library are everybody's: "std::vector<...>::...", also with a result type.
bool is_of_cxx_library(std::string_view name) {
  const std::size_t blank = name.find(' ');
  return name.starts_with("operator new") || name.starts_with("std::") ||
         name.starts_with("__gnu_cxx::") ||
         (blank != std::string_view::npos && name.substr(blank + 1).starts_with("std::"));
}

}  // namespace

Origin origin_of_words(std::string_view text) {
  const Words words = words_of(text);
  // What a perf map calls a function of Python's: "py::load:/var/task/app.py".
  const std::size_t mapped =
      words.name.starts_with("py::") ? words.name.rfind(':') : std::string_view::npos;
  const std::string_view place =
      mapped != std::string_view::npos ? words.name.substr(mapped + 1) : words.place;
  const Language language = words.has_offset ? Language::kNone : language_of(place);
  Frame frame;
  if (language != Language::kNone) {
    frame.function = std::make_shared<SourceFunction>(
        SourceFunction{language, std::string(words.name), std::string(place), 0});
    return origin_of(frame);
  }
  auto module = std::make_shared<recording::LoadedModule>();
  module->path = place;
  frame.module = std::move(module);
  const Origin origin = origin_of(frame);
  return origin == Origin::kExtension && is_of_cxx_library(words.name) ? Origin::kRuntime : origin;
}

std::string_view own_frame(std::string_view stack) {
  std::string_view best;
  auto best_origin = static_cast<int>(Origin::kHidden) + 1;
  while (!stack.empty()) {
    const std::size_t end = stack.find("; ");
    const std::string_view frame = stack.substr(0, end);
    stack.remove_prefix(end == std::string_view::npos ? stack.size() : end + 2);
    if (frame.empty() || frame == kMore) {
      continue;
    }
    if (const int origin = static_cast<int>(origin_of_words(frame)); origin < best_origin) {
      best = frame;
      best_origin = origin;
    }
    if (best_origin == static_cast<int>(Origin::kOwn)) {
      break;
    }
  }
  return best;
}

}  // namespace lamprey::report
