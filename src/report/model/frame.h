// Stacks as frames that can be named: plain values.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "recording/loaded_module.h"
#include "recording/source_function.h"

namespace lamprey::report {

// One frame of a stack: the return address less one, so that it lies within the call.
struct Frame {
  std::uint64_t address = 0;  // in the process
  // The mapped file, which the frames of a recording share; null: none (code made at run time).
  std::shared_ptr<const recording::LoadedModule> module{};
  std::uint64_t offset = 0;     // address - load bias: the address that symbol tables speak of
  const char* label = nullptr;  // the whole text of a frame that is no code ("mmap")
  // The program's own function, in its language's words; then all of the above is void.
  std::shared_ptr<const recording::SourceFunction> function{};
  std::uint32_t line = 0;  // of the call; 0: unknown
  bool async = false;      // it awaits the frame before it

  std::string_view module_path() const { return module ? module->path : std::string_view(); }
};
using Stack = std::vector<Frame>;  // innermost first

}  // namespace lamprey::report
