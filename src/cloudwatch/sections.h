// The sections of a line, one function each: a report in, the members of one key of the record out
// (docs/record.md has the keys), and the entries of each list, written out, most costly first. What
// is empty is left out of the line. Private to this folder.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cloudwatch/values.h"
#include "report/model/report.h"

namespace lamprey::cloudwatch {

inline constexpr std::size_t kTopShort = 3;
inline constexpr std::size_t kTopFull = 20;
inline constexpr std::size_t kMaxVital = 20;  // findings, blocked threads, what was not seen
inline constexpr std::size_t kMaxStackText = 1000;
inline constexpr std::size_t kMaxStackTextShort = 120;  // one or two frames

// How a section is written. Short lines leave out what does not change from one to the next, and
// what can be looked up.
enum class Form : std::uint8_t { kFull, kShort };

using Entries = std::vector<std::string>;

inline std::size_t top_of(Form form) { return form == Form::kFull ? kTopFull : kTopShort; }

Object process_section(const report::Report& report);
Object summary_section(const report::Report& report);
Object init_section(const report::Report& report);
Object platform_section(const report::Report& report);
Object wall_section(const report::Report& report, Form form);
Object system_section(const report::Report& report);
Object self_section(const report::Report& report, Form form);
Object death_section(const report::Report& report);
Object coverage_section(const report::Report& report);  // without its lists
Object lost_section(const report::Report& report);
Object memory_section(const report::Report& report, Form form);  // without its sites
Object calls_section(const report::Report& report);              // without the calls

Object cpu_section(const report::Report& report);     // without its sites
Object kernel_section(const report::Report& report);  // without the calls

Entries unseen_entries(const report::Report& report);
Entries site_entries(const report::Report& report, Form form);
Entries finding_entries(const report::Report& report, Form form);
// In the order of their start, the longest for which there are `room` bytes, commas included.
// Whether a short line has any is told by findings, and how long it took.
Entries timeline_entries(const report::Report& report, Form form, std::size_t room);
Entries blocked_entries(const report::Report& report);
Entries call_entries(const report::Report& report, Form form);
// The call that took longest, in as few words as can be: for a short line without room for more.
Entries briefest_call(const report::Report& report);
Entries cpu_entries(const report::Report& report, Form form);
Entries kernel_entries(const report::Report& report, Form form);
Entries host_entries(const report::Report& report, Form form);
Entries file_entries(const report::Report& report, Form form);

}  // namespace lamprey::cloudwatch
