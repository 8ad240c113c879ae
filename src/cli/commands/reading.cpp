// Sums of many files; see the header.
#include "cli/commands/reading.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

#include "cli/input/json_values.h"
#include "cli/input/log_files.h"
#include "cli/output/printable.h"
#include "cli/output/terminal.h"
#include "report/text/human.h"

namespace lamprey::cli {
namespace {

constexpr unsigned kMaxThreads = 16;

void add(Sums& sums, const Reading& what, const Value& record) {
  add_record(sums.functions[function_of(record)], record);
  sums.sizing.add(record);
  if (what.profile || what.cpu_profile) {
    what.profile ? sums.profile.add(record) : sums.cpu.add(record);
    sums.newest_ns = std::max(sums.newest_ns, started_ns(record));
  }
  if (what.each) {
    what.each(record);
  }
}

void add_counts(LineCounts& counts, const LineCounts& later) {
  counts.records += later.records;
  counts.skipped += later.skipped;
  counts.newer += later.newer;
}

// The threads take blocks as they come, and hand in the sums of each in the order of the text: what
// is newest, and how figures went, does not depend on who was faster.
class Team {
 public:
  Team(LogFiles& files, const Reading& what, Sums& sums)
      : files_(files), what_(what), sums_(sums) {}

  void run() {
    const bool in_order = what_.in_order();
    const unsigned count =
        in_order ? 1 : std::clamp(std::thread::hardware_concurrency(), 1U, kMaxThreads);
    std::vector<std::thread> others;
    for (unsigned i = 1; i < count; ++i) {
      others.emplace_back([this] { work(); });
    }
    work();
    for (std::thread& other : others) {
      other.join();
    }
  }

 private:
  void work() {
    Block block;
    const bool in_order = what_.in_order();
    while (files_.next(block)) {
      Sums part;
      Sums& into = in_order ? sums_ : part;
      RecordFinder finder([this, &into](const Value& record) { add(into, what_, record); });
      block.whole ? finder.whole(block.text) : finder.lines(block.text);
      hand_in(block.number, part, finder.counts());
    }
  }

  void hand_in(std::uint64_t number, const Sums& part, const LineCounts& counts) {
    std::unique_lock<std::mutex> lock(mutex_);
    turn_.wait(lock, [this, number] { return handed_in_ == number; });
    for (const auto& [name, sum] : part.functions) {
      append(sums_.functions[name], sum);
    }
    sums_.sizing.append(part.sizing);
    add_counts(sums_.counts, counts);
    ++handed_in_;
    if (progress_.is_due()) {
      show_progress();
    }
    turn_.notify_all();
  }

  void show_progress() {
    const std::uint64_t all = files_.bytes_in_all();
    const std::uint64_t taken = files_.bytes_taken();
    const std::string far =
        all == 0 ? report::human_bytes(static_cast<std::int64_t>(taken))
                 : fmt::format("{} % of {}", std::min<std::uint64_t>(taken, all) * 100 / all,
                               report::human_bytes(static_cast<std::int64_t>(all)));
    progress_.show(fmt::format("lamprey: {} read, {} records", far,
                               report::human_count(sums_.counts.records)));
  }

  LogFiles& files_;
  const Reading& what_;
  Sums& sums_;
  std::mutex mutex_;
  std::condition_variable turn_;
  std::uint64_t handed_in_ = 0;
  ProgressLine progress_;
};

}  // namespace

const char* const kNoCpu =
    "none of the records has cpu, since LAMPREY_CPU=on was not set: set it on the function, and "
    "take the lines of later invocations";

std::string function_of(const Value& record) {
  std::string name = text(record, "function_name");
  return name.empty() ? "(no name)" : name;
}

int read_sums(const std::vector<std::string>& paths, const Reading& what, Sums& sums) {
  LogFiles files(paths);
  if (!files.is_missing()) {
    Team(files, what, sums).run();
  }
  for (const std::string& fault : files.faults()) {
    std::fprintf(stderr, "lamprey: %s\n", printable(fault).c_str());
  }
  if (files.is_missing()) {
    return 2;
  }
  if (sums.counts.newer != 0) {
    std::fprintf(stderr, "lamprey: %llu records have a schema other than \"1\" and were skipped\n",
                 static_cast<unsigned long long>(sums.counts.newer));
  }
  if (sums.counts.records == 0) {
    std::fprintf(stderr, "lamprey: no records of Lamprey in FILE %s%s (%llu other lines)\n",
                 printable(paths.front()).c_str(), paths.size() > 1 ? " and the others" : "",
                 static_cast<unsigned long long>(sums.counts.skipped));
    return 1;
  }
  sums.cut = !files.faults().empty();
  return 0;
}

}  // namespace lamprey::cli
