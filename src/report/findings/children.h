// What is said of child processes: in findings of their own (child_findings.cpp), and in those of
// others. Pure: a report in, words out.
#pragma once

#include <string>

#include "report/model/report.h"

namespace lamprey::report {

// "./ffmpeg (pid 4711, 3 arguments)"; "a fork (pid 4711)".
std::string child_name(const ChildFigures& child);
// The same as Blocked::target: "the child ./ffmpeg (pid 4711, 3 arguments)".
std::string child_target(const ChildFigures& child);
// "ended with exit code 1 after 2.10 s, 1.90 s of CPU, 210 MB"; what is not known is left out.
std::string child_account(const Report& report, const ChildFigures& child);
// The child that ran longest in the span; nullptr: there was none.
const ChildFigures* longest_child(const Report& report);
// The child that the first of the blocked threads waits for; nullptr: none, or another host or
// thread is known to be what it waits for.
const ChildFigures* child_waited_for(const Report& report);

}  // namespace lamprey::report
