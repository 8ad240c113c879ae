// Ledger: what is not seen. Files that make system calls without libc; allocators that pass our
// hooks by, or that tell no sizes.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "report/ledger/ledger.h"
#include "report/procfs/procfs_file.h"
#include "report/text/human.h"
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

// How long a search may go on: so much CPU time, that what it finds does not hang on what else the
// machine does, and at most a few times as long, that nobody waits for a thread that gets no CPU.
class SearchTime {
 public:
  explicit SearchTime(std::uint64_t ns)
      : cpu_until_(cpu_ns() + ns), until_(recording::monotonic_ns() + (kMaxWait * ns)) {}
  bool is_left() const { return cpu_ns() < cpu_until_ && recording::monotonic_ns() < until_; }

 private:
  static constexpr std::uint64_t kMaxWait = 5;
  static std::uint64_t cpu_ns() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000) +
           static_cast<std::uint64_t>(now.tv_nsec);
  }

  std::uint64_t cpu_until_;
  std::uint64_t until_;
};

// "libjemalloc.so.2" of its path.
std::string file_name(const std::string& path) {
  return path.empty() ? "the program's allocator" : path.substr(path.rfind('/') + 1);
}

}  // namespace

std::optional<std::int64_t> Ledger::live_bytes(std::uint64_t mono_ns) {
  if ((header().flags & recording::kFlagNoUsableSize) != 0) {
    return std::nullopt;
  }
  return reader_.live(mono_ns)->memory.live_bytes;
}

// Nothing counted, or nothing known, is no figure at all.
void Ledger::add_unseen_memory(Report& report, const recording::Totals& after) {
  const std::uint32_t flags = header().flags;
  std::vector<std::string>& unseen = report.coverage.unseen;
  // An allocator linked into the program takes its calls before they reach us.
  if ((flags & recording::kFlagForeignAllocator) != 0 && after.memory.allocations == 0) {
    report.memory.reset();
    report.coverage.add_unseen("memory: the program has an allocator of its own");
    return;
  }
  const std::string allocator = file_name(reader_.module_path(header().allocator));
  if ((flags & recording::kFlagNoUsableSize) != 0) {
    report.memory->freed_bytes.reset();
    report.memory->live_bytes.reset();
    report.memory->live_delta_bytes.reset();
    report.memory->peak_live_bytes.reset();
    unseen.push_back("live bytes: " + allocator + " has no malloc_usable_size");
  }
  const bool own_new = (flags & recording::kFlagOwnOperatorNew) != 0;
  const bool mallocx = (flags & recording::kFlagMallocx) != 0;
  if (own_new || mallocx) {
    unseen.push_back(fmt::format("{} of {}: their blocks are not counted",
                                 own_new && mallocx ? "operator new and mallocx"
                                 : own_new          ? "operator new and delete"
                                                    : "mallocx and its kin",
                                 allocator));
  }
}

// A runtime is here, and its functions have no names in stacks.
void Ledger::add_unnamed_functions(Report& report) {
  using recording::FrameReader;
  static constexpr std::array<const char*, recording::kLanguages> kLanguages = {
      "", "Python", "JavaScript", "Java", "Ruby"};
  for (std::size_t i = 1; i < kLanguages.size(); ++i) {
    const FrameReader reader = header().frame_readers[i];
    const char* why =
        reader == FrameReader::kUnknownVersion ? "this version is not known"
        : reader == FrameReader::kMissing      ? "the runtime does not say where they are"
        : reader == FrameReader::kNotProven ? "what was read is not what the runtime says of itself"
        : reader == FrameReader::kListed    ? "the layer's compatibility list names this build"
                                            : nullptr;
    if (why != nullptr) {
      report.coverage.unseen.push_back(
          fmt::format("names of {} functions: {}", kLanguages.at(i), why));
    }
  }
}

// A thread that runs for less than a tick of the kernel's clock at a time, as under a quota, may
// end before its timer was looked at.
void Ledger::add_unsampled(Report& report) {
  constexpr std::uint64_t kLeastNs = 50'000'000;
  const std::uint64_t used = report.wall ? report.wall->cpu_ns.value_or(0) : 0;
  if (report.cpu && used > kLeastNs && report.cpu->total_ns < used / 10 * 9) {
    report.coverage.unseen.push_back(fmt::format("CPU time by function: {} of {} were not sampled",
                                                 human_duration(used - report.cpu->total_ns),
                                                 human_duration(used)));
  }
}

// CPU samples, or why there are none although they were asked for.
void Ledger::add_cpu(Report& report, std::optional<CpuFigures> figures) {
  using recording::CpuState;
  report.cpu = std::move(figures);
  const auto samples = reader_.cpu_samples();
  if (!samples) {
    return;
  }
  const char* why = samples->state == CpuState::kGoProgram     ? "Go's runtime uses their signal"
                    : samples->state == CpuState::kDotNet      ? ".NET cannot be interrupted for it"
                    : samples->state == CpuState::kSignalInUse ? "the program uses SIGURG itself"
                    : samples->state == CpuState::kRefused ? "the kernel gives no timer for them"
                                                           : nullptr;
  if (why != nullptr) {
    report.coverage.unseen.push_back(fmt::format("CPU time by function: {}", why));
  } else if (samples->threads_refused != 0) {
    report.coverage.unseen.push_back(
        fmt::format("CPU time by function: {} threads have no timer (they block SIGURG, or there "
                    "was none left)",
                    samples->threads_refused));
  }
}

// An init's line is made while the first invocation runs, so it gets less time than the last line,
// for which nobody waits.
void Ledger::add_direct_syscalls(Report& report) {
  static symbols::DirectSyscallSearch search;  // shared by all ledgers: they live on one thread
  constexpr std::uint64_t kNsAMs = 1'000'000;
  const bool runs = process_.runs();
  if (header().role != recording::Role::kChild && (runs || direct_syscalls_.empty())) {
    direct_syscalls_.clear();
    const SearchTime time((report.type == Type::kInit ? 4 : 50) * kNsAMs);
    std::vector<std::string> files = runs ? mapped_code(header().pid) : recorded_code(reader_);
    const std::vector<std::string> waiting = std::exchange(not_searched_, {});
    if (!runs) {  // its mappings are gone: what was mapped before, and had no time then, is not
      std::copy_if(waiting.begin(), waiting.end(), std::back_inserter(files),
                   [&files](const std::string& file) {
                     return std::find(files.begin(), files.end(), file) == files.end();
                   });
    }
    for (const std::string& file : files) {
      if (!time.is_left()) {
        not_searched_.push_back(file);
      } else if (search.finds(file)) {
        direct_syscalls_.push_back("system calls that do not go through libc: " + file);
      }
    }
  }
  for (const std::string& text : direct_syscalls_) {
    report.coverage.unseen.push_back(text);
  }
}

}  // namespace lamprey::report
