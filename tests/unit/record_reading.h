// Records that a test writes with nlohmann's JSON, as the command reads them. No test may live
// here.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cli/input/json_document.h"

namespace lamprey::cli {

// Lasts as long as the expression that it stands in, or the name that it has.
class Read {
 public:
  explicit Read(const nlohmann::json& json) : text_(json.dump()) { document_.read_whole(text_); }
  Read(const Read&) = delete;
  Read& operator=(const Read&) = delete;
  operator Value() const { return document_.root(); }  // NOLINT(google-explicit-constructor)

 private:
  std::string text_;
  Document document_;
};

}  // namespace lamprey::cli
