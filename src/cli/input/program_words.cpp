// Our own command line from /proc; see the header.
#include "cli/input/program_words.h"

#include <algorithm>
#include <cstdio>

namespace lamprey::cli {

std::vector<std::string> program_words(const std::vector<std::string>& otherwise) {
  std::FILE* file = std::fopen("/proc/self/cmdline", "re");
  if (file == nullptr) {
    return otherwise;
  }
  std::vector<std::string> words;
  std::string word;
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) {
    if (c == 0) {
      words.push_back(word);
      word.clear();
    } else {
      word += static_cast<char>(c);
    }
  }
  std::fclose(file);
  const auto dashes = std::find(words.begin(), words.end(), "--");
  if (dashes == words.end()) {
    return otherwise;
  }
  return {dashes + 1, words.end()};
}

}  // namespace lamprey::cli
