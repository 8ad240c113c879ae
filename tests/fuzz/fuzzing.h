// What the fuzzers share: a file whose content is the input, and what is odd about numbers. Nothing
// of any format lives here.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <string_view>

// libFuzzer's: changes the bytes in place, returns how many there are now.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace lamprey::fuzzing {

using Random = std::minstd_rand;

// Ends the program, which libFuzzer takes for a finding.
inline void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
  }
}

// What parsers get wrong: the least, the most, and their neighbours.
inline std::uint64_t odd_number(Random& random) {
  static constexpr std::uint64_t kOdd[] = {
      0,       1,          2,         0x7F,       0x80,       0xFF,      0x7FFF,     0xFFFF,
      0x10000, 0x7FFFFFFF, 1U << 31U, 0xFFFFFFFF, 1ULL << 48, INT64_MAX, 1ULL << 63, UINT64_MAX};
  switch (random() % 4) {
    case 0:
      return random();
    case 1:
      return std::uint64_t{1} << (random() % 64);
    default:
      return kOdd[random() % std::size(kOdd)];
  }
}

// A directory for files that parsers open by name; tests/fuzz/run makes it, in memory, and removes
// it.
inline const std::string& directory() {
  static const std::string path = [] {
    const char* given = std::getenv("LAMPREY_FUZZ_DIRECTORY");
    std::string name = std::string(given != nullptr ? given : "/tmp") + "/lamprey-fuzz-XXXXXX";
    require(mkdtemp(name.data()) != nullptr, "LAMPREY_FUZZ_DIRECTORY can be written");
    return name;
  }();
  return path;
}

// A file in it, open as long as the program runs.
class InputFile {
 public:
  explicit InputFile(const char* name)
      : path_(directory() + "/" + name),
        descriptor_(open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) {
    require(descriptor_ >= 0, "a file in LAMPREY_FUZZ_DIRECTORY can be made");
  }
  ~InputFile() { close(descriptor_); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  void set(std::string_view content) {
    resize(0);
    write(content, 0);
  }
  void write(std::string_view content, std::size_t at) {
    require(pwrite(descriptor_, content.data(), content.size(), static_cast<off_t>(at)) ==
                static_cast<ssize_t>(content.size()),
            "an input can be written");
  }
  void resize(std::size_t bytes) {
    require(ftruncate(descriptor_, static_cast<off_t>(bytes)) == 0, "an input can be resized");
  }
  int descriptor() const { return descriptor_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int descriptor_;
};

}  // namespace lamprey::fuzzing
