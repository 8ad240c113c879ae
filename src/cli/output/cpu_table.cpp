// CPU time of a record; see the header.
#include "cli/output/cpu_table.h"

#include "cli/analysis/cpu_by_function.h"
#include "cli/output/tables.h"

namespace lamprey::cli {

std::string cpu_table(const Value& record) {
  constexpr std::size_t kMaxFunctions = 10;
  CpuByFunction sum;
  add_record(sum, record);
  std::vector<std::vector<std::string>> rows;
  for (const auto& row : cpu_rows(sum, kMaxFunctions)) {
    rows.push_back({row[1], row[2], "  " + row[0]});
  }
  if (rows.empty()) {
    return {};
  }
  rows.front() = {"CPU", "share", "  in (sampled; the program's innermost own function)"};
  return table(rows, 2);
}

}  // namespace lamprey::cli
