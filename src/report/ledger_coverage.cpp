// Ledger: modules whose system calls are not seen, because they make them without libc.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "report/kernel_text.h"
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

// Files that the process has mapped to execute; once it has ended, those of its recording, which
// are only the ones that a stack led through.
std::vector<std::string> code_files(recording::Reader& reader, bool runs) {
  constexpr std::size_t kMostText = std::size_t{256} * 1024;
  std::vector<std::string> paths;
  const std::string text =
      runs ? read_kernel_text(fmt::format("/proc/{}/maps", reader.header().pid), kMostText)
           : std::string();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::size_t slash = text.find('/', at);
    if (slash < end && text.substr(at, slash - at).find(" r-xp ") != std::string::npos) {
      paths.push_back(text.substr(slash, end - slash));
    }
    at = end + 1;
  }
  if (text.empty()) {
    for (recording::LoadedModule& module : reader.modules()) {
      paths.push_back(std::move(module.path));
    }
  }
  return paths;
}

}  // namespace

// A file is looked at once, whichever process has it.
void Ledger::add_raw_calls(Report& report) {
  static std::vector<std::pair<std::string, bool>> looked;  // path → whether it has any
  constexpr std::size_t kMostLooked = 1024;
  const std::uint64_t until = recording::monotonic_ns() + budget_ns(report.type, header().role);
  for (std::string& path : code_files(reader_, process_.runs())) {
    auto known = std::find_if(looked.begin(), looked.end(),
                              [&path](const auto& entry) { return entry.first == path; });
    if (known == looked.end()) {
      if (recording::monotonic_ns() >= until || looked.size() >= kMostLooked) {
        continue;
      }
      const bool raw = !symbols::is_part_of_libc(path) && symbols::makes_raw_calls(path);
      looked.emplace_back(std::move(path), raw);
      known = std::prev(looked.end());
    }
    if (known->second &&
        std::find(raw_calls_.begin(), raw_calls_.end(), known->first) == raw_calls_.end()) {
      raw_calls_.push_back(known->first);
    }
  }
  for (const std::string& path : raw_calls_) {
    report.coverage.unseen.push_back("system calls that do not go through libc: " + path);
  }
}

}  // namespace lamprey::report
