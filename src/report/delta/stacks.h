// From a recording's addresses to frames: which module an address belongs to, and where in it.
// Reads no file but the recording; looks up no names.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "recording/reader.h"
#include "report/model/report.h"

namespace lamprey::report {

// The modules of one recording, as they were when this was made.
class ModuleMap {
 public:
  explicit ModuleMap(std::vector<recording::LoadedModule> modules);

  Stack frames_of(const recording::CapturedStack& stack) const;

 private:
  // By start. Frames refer to them, and may live longer.
  std::shared_ptr<const std::vector<recording::LoadedModule>> modules_;
};

// The modules of one recording, read again only when they have changed: a process loads hundreds in
// its first second and then none for hours.
class KnownModules {
 public:
  const ModuleMap& of(recording::Reader& reader);

 private:
  ModuleMap modules_{{}};
  bool complete_ = false;  // every module that was handed out then had been written
  std::uint32_t used_ = 0;
  std::uint32_t generation_ = 0;
};

// A stack in words: "function (module:line or +offset)", innermost first, joined by "; ". The one
// place where frames become text: without names, "?? (libc.so.6 +0x12345)".
std::string stack_text(const Stack& stack);

}  // namespace lamprey::report
