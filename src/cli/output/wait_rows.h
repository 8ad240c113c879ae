// The longest waits of a record as a few rows of text, each a bar where it stands in the whole
// time: a waterfall for a terminal.
#pragma once

#include <string>

#include "cli/input/json_document.h"
#include "cli/output/terminal.h"

namespace lamprey::cli {

// Empty where the record has no timeline.
std::string wait_rows(const Value& record, const Style& style);

// Whether a package took 50 ms of init or more: people ask for that where nothing else is wrong.
bool has_long_import(const Value& record);

}  // namespace lamprey::cli
