// --fail-on; see the header.
#include "cli/commands/demands.h"

#include <cstdio>

#include "cli/output/printable.h"

namespace lamprey::cli {

void add_fail_on(CLI::App& command, std::vector<std::string>& words) {
  command
      .add_option(
          "--fail-on", words,
          "Exit 1 on findings of this severity or worse (info, warning, critical), or when a "
          "budget in this file is broken; repeatable")
      ->allow_extra_args(false);
}

bool take_demands(const std::vector<std::string>& words, Budgets& budgets) {
  for (const std::string& word : words) {
    if (const std::string complaint = budgets.demand(word); !complaint.empty()) {
      std::fprintf(stderr, "lamprey: %s\n", printable(complaint).c_str());
      return false;
    }
  }
  return true;
}

bool complain_of(const Budgets& budgets) {
  const std::vector<std::string> lines = budgets.broken();
  for (const std::string& line : lines) {
    std::fprintf(stderr, "lamprey: %s\n", printable(line).c_str());
  }
  return lines.empty();
}

}  // namespace lamprey::cli
