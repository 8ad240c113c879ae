// One record as a few lines for people: headline, where the time went, findings. Reads no file and
// knows no terminal.
#pragma once

#include <string>

#include "cli/input/json_document.h"
#include "cli/output/terminal.h"

namespace lamprey::cli {

// Ends with a newline. Names in the record are anybody's: nothing in them steers a terminal.
std::string record_view(const Value& record, const Style& style);

// The wall of an invocation as a bar of `width` columns, each part's share rounded so that all of
// them fill it. Without colours a letter for each part: "ccnnnnss".
std::string wall_bar(const Value& wall, std::size_t width, bool colours);

}  // namespace lamprey::cli
