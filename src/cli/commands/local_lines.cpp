// The lines of a local function; see the header.
#include "cli/commands/local_lines.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/commands/reading.h"
#include "cli/input/json_values.h"
#include "cli/input/summaries.h"
#include "cli/output/function_tables.h"
#include "report/text/human.h"

namespace lamprey::cli {

bool LocalLines::is_record(std::string_view line) {
  return line.starts_with("{\"lamprey\"") && document_.read_whole(line) &&
         is(document_.root(), "lamprey", "1");
}

// What says nothing that the record does not say: START, END, REPORT and the extensions' lines.
// What went wrong ("Task timed out") stays.
bool LocalLines::is_of_platform(std::string_view line) {
  for (const char* begin : {"START RequestId: ", "END RequestId: ", "REPORT RequestId: ",
                            "EXTENSION\tName: ", "TELEMETRY\tName: "}) {
    if (line.starts_with(begin)) {
      return true;
    }
  }
  return line.starts_with("{\"time\"") && document_.read_whole(line) &&
         document_.root()["type"].raw().starts_with("platform.");
}

void LocalLines::show_progress() {
  if (!view_.progress().is_due()) {
    return;
  }
  const std::string of = invocations_ == 0 ? "" : " of " + report::human_count(invocations_);
  view_.progress().show(fmt::format("lamprey local: {}{} invocations, {} not ok or with findings",
                                    report::human_count(done_), of,
                                    report::human_count(troubled_)));
}

void LocalLines::line(std::string_view line) {
  const bool record = is_record(line);
  if (record) {
    const Value root = document_.root();
    add_record(functions_[function_of(root)], root);
    const bool invocation = is(root, "type", "invoke");
    done_ += invocation || is_summary(root) ? invocations_in(root) : 0;
    troubled_ +=
        invocation && (!is(root, "status", "ok") || !list(root, "findings").empty()) ? 1 : 0;
    if (each) {
      each(root);
    }
  }
  if (!for_people_) {
    view_.text(std::string(line) + "\n");
  } else if (record) {
    view_.record(document_.root());
  } else if (!is_of_platform(line)) {
    view_.other(line);
  }
  if (for_people_) {
    show_progress();
  }
}

void LocalLines::finish() {
  view_.progress().clear();
  if (for_people_ && !functions_.empty()) {
    view_.text("\n" + functions_tables(functions_));
  }
}

}  // namespace lamprey::cli
