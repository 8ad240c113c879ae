// The fixed text of the pages that `lamprey report` writes. Each stands around one piece of data,
// as JSON in a script element; pages load nothing from anywhere.
#pragma once

namespace lamprey::cli {

extern const char* const kFlamePageHead;  // then the data
extern const char* const kFlamePageTail;

}  // namespace lamprey::cli
