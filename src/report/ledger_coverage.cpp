// Ledger: modules whose system calls are not seen, because they make them without libc.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "report/ledger.h"
#include "symbols/raw_calls.h"

namespace lamprey::report {
namespace {

constexpr std::uint64_t kNsAMs = 1'000'000;

// The line of an init is made while the first invocation runs, the last one when nobody waits any
// more; a child's may be one of many.
std::uint64_t budget_ns(Type type, recording::Role role) {
  if (role == recording::Role::kChild) {
    return kNsAMs;
  }
  return type == Type::kInit ? 4 * kNsAMs : 50 * kNsAMs;
}

}  // namespace

// A module is looked at once, whichever process has it: one build id is one text.
void Ledger::add_raw_calls(Report& report) {
  static std::vector<std::pair<std::string, bool>> looked;  // key → whether it has any; bounded
  constexpr std::size_t kMostLooked = 1024;
  const std::uint64_t until = recording::monotonic_ns() + budget_ns(report.type, header().role);
  for (const recording::LoadedModule& module : reader_.modules()) {
    const std::string& key = module.build_id.empty() ? module.path : module.build_id;
    auto known = std::find_if(looked.begin(), looked.end(),
                              [&key](const auto& entry) { return entry.first == key; });
    if (known == looked.end()) {
      if (recording::monotonic_ns() >= until || looked.size() >= kMostLooked) {
        continue;
      }
      looked.emplace_back(
          key, !symbols::is_part_of_libc(module.path) && symbols::makes_raw_calls(module.path));
      known = std::prev(looked.end());
    }
    if (known->second) {
      report.coverage.unseen.push_back("system calls that do not go through libc: " + module.path);
    }
  }
}

}  // namespace lamprey::report
