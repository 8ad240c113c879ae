// Ledger: files whose system calls are not seen, because they make them without libc.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "report/kernel_text.h"
#include "report/ledger.h"
#include "symbols/raw_calls.h"

namespace lamprey::report {

// Looked for while the process lives. The line of an init is made while the first invocation runs:
// it has less time than the last one, when nobody waits any more.
void Ledger::add_raw_calls(Report& report) {
  constexpr std::size_t kMostText = std::size_t{256} * 1024;
  constexpr std::uint64_t kNsAMs = 1'000'000;
  if (header().role != recording::Role::kChild && process_.runs()) {
    raw_calls_.clear();
    const std::uint64_t until =
        recording::monotonic_ns() + (report.type == Type::kInit ? 4 : 50) * kNsAMs;
    const std::string maps =
        read_kernel_text(fmt::format("/proc/{}/maps", header().pid), kMostText);
    for (std::size_t at = 0; at < maps.size() && recording::monotonic_ns() < until;) {
      const std::size_t end = std::min(maps.find('\n', at), maps.size());
      const std::size_t slash = maps.find('/', at);
      if (slash < end && maps.find(" r-xp ", at) < slash) {
        const std::string path = maps.substr(slash, end - slash);
        if (symbols::makes_raw_calls(path)) {
          raw_calls_.push_back("system calls that do not go through libc: " + path);
        }
      }
      at = end + 1;
    }
  }
  for (const std::string& text : raw_calls_) {
    report.coverage.unseen.push_back(text);
  }
}

}  // namespace lamprey::report
