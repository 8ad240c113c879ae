// Small shared libraries for tests of src/symbols, made by the machine's own compiler and binutils.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace lamprey::testing {

inline void must_run(const std::string& command) {
  ASSERT_EQ(std::system((command + " 2>&1").c_str()), 0) << command;
}

inline std::string output_of(const std::string& command) {
  std::string text;
  std::FILE* pipe = popen(command.c_str(), "r");
  char buffer[4096];
  std::size_t got = 0;
  while (pipe != nullptr && (got = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0) {
    text.append(buffer, got);
  }
  if (pipe != nullptr) {
    pclose(pipe);
  }
  return text;
}

inline void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The shared library `path` out of this C++ text.
inline void compile_library(const std::string& path, const std::string& text,
                            const std::string& options = "-Wl,--build-id=sha1") {
  write_text(path + ".cpp", text);
  must_run("c++ -O1 -shared -fPIC " + options + " -o '" + path + "' '" + path + ".cpp'");
}

// The value of the symbol that nm writes as `name`.
inline std::uint64_t address_of(const std::string& path, const std::string& name) {
  const std::string line =
      output_of("nm '" + path + "' | grep -E ' [tTwWi] " + name + "$' | head -1");
  return std::strtoull(line.c_str(), nullptr, 16);
}

}  // namespace lamprey::testing
