// `process`: which process a record is about, where it is not the runtime itself; see
// docs/record.md.
#include "cloudwatch/sections.h"

namespace lamprey::cloudwatch {

Object process_section(const report::Report& report) {
  Object process;
  if (report.child_pid) {
    process.add("role", "child");
    process.add("pid", *report.child_pid);
    put(process, "parent_pid", report.parent_pid);
    put_text(process, "program", report.program);
  }
  return process;
}

}  // namespace lamprey::cloudwatch
