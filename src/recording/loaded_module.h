// A file that is, or was, mapped into the process: plain values.
#pragma once

#include <cstdint>
#include <string>

namespace lamprey::recording {

struct LoadedModule {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t bias = 0;
  std::uint32_t born = 0;  // generations of stacks in which it was there: [born, died)
  std::uint32_t died = UINT32_MAX;
  std::string build_id;  // hexadecimal; empty: none
  std::string path;
};

}  // namespace lamprey::recording
