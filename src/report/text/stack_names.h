// Stacks as the text of the record: "inner (libfoo.so +0x12); outer (app +0x34)". Asks a
// Symbolizer; finds no name itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "report/model/report.h"
#include "symbols/symbolizer.h"

namespace lamprey::report {

inline constexpr std::size_t kMaxFramesNamed = 16;
inline constexpr std::size_t kMaxStackText = 1000;    // bytes
inline constexpr std::size_t kMaxEndStackText = 512;  // what a thread was in at an end
inline constexpr std::size_t kMaxProfileText = std::size_t{24} * 1024;

// Fills in the text of every stack in the report: sites, and what findings are about. Looks up
// names until CLOCK_MONOTONIC passes `until_ns`. A frame without a name by then reads "?? (module
// +0x...)", and has one when it is asked for again.
void name_stacks(Report& report, symbols::Symbolizer& symbolizer, std::uint64_t until_ns);

// Asks for the names of a stack's frames; name_stacks() and stack_text() have those that are known.
void want_names(const Stack& stack, std::int32_t pid, symbols::Symbolizer& symbolizer);

// One stack, innermost first, with the names that are known so far. One that is too long keeps its
// inner frames and ends with "...".
std::string stack_text(const Stack& stack, std::int32_t pid, symbols::Symbolizer& symbolizer,
                       std::size_t most = kMaxStackText);

}  // namespace lamprey::report
