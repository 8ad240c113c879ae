// `process`: which process a record is about, where it is not the runtime itself; see
// docs/record.md.
#include "cloudwatch/sections.h"

namespace lamprey::cloudwatch {

Json process_json(const report::Report& report) {
  Json process;
  if (report.child_pid) {
    process["role"] = "child";
    process["pid"] = *report.child_pid;
    put(process, "parent_pid", report.parent_pid);
    put_text(process, "program", report.program);
  }
  return process;
}

}  // namespace lamprey::cloudwatch
