// Frames of stacks as they come out of a recording, for tests of what is said of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "report/model/frame.h"

namespace lamprey::report {

inline Frame frame_at(std::uint64_t address, std::string path, std::uint64_t offset,
                      std::string build_id = "") {
  auto module = std::make_shared<recording::LoadedModule>();
  module->path = std::move(path);
  module->build_id = std::move(build_id);
  Frame frame;
  frame.address = address;
  frame.offset = offset;
  frame.module = std::move(module);
  return frame;
}

// In code that no file holds.
inline Frame frame_at(std::uint64_t address) {
  Frame frame;
  frame.address = address;
  return frame;
}

}  // namespace lamprey::report
