// Findings about memory that one report supports by itself; see findings.h.
#include <fmt/format.h>

#include "report/findings/findings.h"
#include "report/text/human.h"

namespace lamprey::report {

void add_memory_findings(Report& report) {
  if (report.memory && report.memory->failed > 0) {
    report.findings.push_back(
        {"memory.refused",
         Severity::kWarning,
         fmt::format("{} memory requests were refused by the allocator.",
                     human_count(report.memory->failed)),
         "Give the function more memory, or look for a size that cannot be meant.",
         {{"failed", static_cast<std::int64_t>(report.memory->failed)}}});
  }
}

}  // namespace lamprey::report
