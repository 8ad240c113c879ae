// A log as people watch it: each record in a few lines, the rest as it is. Used by `lamprey show`
// and by `lamprey local` on a terminal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cli/input/json_document.h"
#include "cli/output/terminal.h"

namespace lamprey::cli {

class LiveView {
 public:
  // Writes to standard output.
  explicit LiveView(const Style& style) : style_(style) {}

  void record(const Value& record);
  void other(std::string_view lines);  // somebody's own output, made harmless
  void text(std::string_view text);    // ours
  ProgressLine& progress() { return progress_; }
  // Standard output is gone.
  bool failed() const { return failed_; }

 private:
  Style style_;
  ProgressLine progress_;
  bool failed_ = false;
};

}  // namespace lamprey::cli
