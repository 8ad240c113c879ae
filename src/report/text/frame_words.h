// Whose code a frame is, told from its words alone: for readers of records, which have nothing
// else. frame_names.h says the same of frames that are not yet words.
#pragma once

#include <string_view>

#include "report/text/frame_names.h"

namespace lamprey::report {

// Of one frame of a stack's text, with or without its line or offset.
Origin origin_of_words(std::string_view frame);

// The frame that a stack's text ("a (m +0x1); b (/b.py:2)", innermost first) is counted under: the
// innermost of the program's own functions; where there is none, of a package's, of other machine
// code, of the runtime's. A part of `stack`; empty where it names no frame.
std::string_view own_frame(std::string_view stack);

}  // namespace lamprey::report
