// Ledger: files whose system calls are not seen, because they make them without libc.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "report/ledger/ledger.h"
#include "report/procfs/procfs_file.h"
#include "symbols/direct_syscalls.h"

namespace lamprey::report {
namespace {

// The files that a process has mapped as code.
std::vector<std::string> mapped_code(std::int32_t pid) {
  constexpr std::size_t kMaxText = std::size_t{256} * 1024;
  const std::string maps = read_kernel_text(fmt::format("/proc/{}/maps", pid), kMaxText);
  std::vector<std::string> files;
  for (std::size_t at = 0; at < maps.size();) {
    const std::size_t end = std::min(maps.find('\n', at), maps.size());
    const std::size_t slash = maps.find('/', at);
    if (slash < end && maps.find(" r-xp ", at) < slash) {
      files.push_back(maps.substr(slash, end - slash));
    }
    at = end + 1;
  }
  return files;
}

// The files that its recording names: those mapped at attach, and those met in stacks since.
std::vector<std::string> recorded_code(recording::Reader& reader) {
  std::vector<std::string> files;
  for (recording::LoadedModule& module : reader.modules()) {
    files.push_back(std::move(module.path));
  }
  return files;
}

}  // namespace

// An init's line is made while the first invocation runs, so it gets less time than the last line,
// for which nobody waits.
void Ledger::add_direct_syscalls(Report& report) {
  static symbols::DirectSyscallSearch search;  // shared by all ledgers: they live on one thread
  constexpr std::uint64_t kNsAMs = 1'000'000;
  const bool runs = process_.runs();
  if (header().role != recording::Role::kChild && (runs || direct_syscalls_.empty())) {
    direct_syscalls_.clear();
    const std::uint64_t until =
        recording::monotonic_ns() + (report.type == Type::kInit ? 4 : 50) * kNsAMs;
    for (const std::string& file : runs ? mapped_code(header().pid) : recorded_code(reader_)) {
      if (recording::monotonic_ns() < until && search.finds(file)) {
        direct_syscalls_.push_back("system calls that do not go through libc: " + file);
      }
    }
  }
  for (const std::string& text : direct_syscalls_) {
    report.coverage.unseen.push_back(text);
  }
}

}  // namespace lamprey::report
