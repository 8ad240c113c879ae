// Figures of a process; see the header. This runs between the end of an invocation and the next,
// where each µs costs the function.
#include "report/procfs/process.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace lamprey::report {

namespace {

std::optional<std::uint64_t> number(std::string_view text) {
  const std::size_t start = text.find_first_not_of(" \t");
  if (start == std::string_view::npos) {
    return std::nullopt;
  }
  std::uint64_t value = 0;
  const auto result = std::from_chars(text.data() + start, text.data() + text.size(), value);
  if (result.ec != std::errc{}) {
    return std::nullopt;
  }
  return value;
}

// The `index`-th word, 0 first.
std::string_view word(std::string_view text, std::size_t index) {
  while (true) {
    const std::size_t start = text.find_first_not_of(" \t\n");
    if (start == std::string_view::npos) {
      return {};
    }
    text.remove_prefix(start);
    const std::size_t end = text.find_first_of(" \t\n");
    if (index-- == 0) {
      return text.substr(0, end);
    }
    if (end == std::string_view::npos) {
      return {};
    }
    text.remove_prefix(end);
  }
}

// What follows "(comm) " in /proc/<pid>/stat: comm may itself hold spaces and brackets.
std::string_view after_comm(std::string_view stat) {
  const std::size_t end = stat.rfind(')');
  return end == std::string_view::npos ? std::string_view{} : stat.substr(end + 1);
}

// The start time in the text of /proc/<pid>/stat; nothing for a process that has ended, whether its
// parent waited for it or not.
std::optional<std::uint64_t> start_in(std::string_view stat) {
  const std::string_view fields = after_comm(stat);
  const std::string_view state = word(fields, 0);
  return state == "Z" || state == "X" ? std::nullopt : number(word(fields, 19));
}

std::optional<std::uint64_t> line_number(std::string_view text, std::string_view key) {
  std::size_t at = text.find(key);
  while (at != std::string_view::npos && at != 0 && text[at - 1] != '\n') {
    at = text.find(key, at + 1);
  }
  if (at == std::string_view::npos) {
    return std::nullopt;
  }
  return number(text.substr(at + key.size()));
}

std::optional<std::uint64_t> times(std::optional<std::uint64_t> value, std::uint64_t by) {
  return value ? std::optional<std::uint64_t>(*value * by) : std::nullopt;
}

std::optional<std::uint64_t> count_entries(const std::string& path) {
  DIR* entries = opendir(path.c_str());
  if (entries == nullptr) {
    return std::nullopt;
  }
  std::uint64_t count = 0;
  while (const dirent* entry = readdir(entries)) {
    count += entry->d_name[0] != '.' ? 1 : 0;
  }
  closedir(entries);
  return count;
}

// prlimit(2) is one call. Reading /proc/<pid>/limits is three, and the kernel prints sixteen lines.
std::optional<std::uint64_t> most_descriptors(std::int32_t pid) {
  rlimit limit{};
  if (prlimit(pid, RLIMIT_NOFILE, nullptr, &limit) == 0) {
    return limit.rlim_cur != RLIM_INFINITY ? std::optional<std::uint64_t>(limit.rlim_cur)
                                           : std::nullopt;
  }
  return line_number(read_kernel_text(fmt::format("/proc/{}/limits", pid)), "Max open files");
}

void read_network(std::string_view text, ProcessFigures& figures) {
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
  bool found = false;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || word(line.substr(0, colon), 0) == "lo") {
      continue;
    }
    const auto rx = number(word(line.substr(colon + 1), 0));
    const auto tx = number(word(line.substr(colon + 1), 8));
    if (rx && tx) {
      received += *rx;
      sent += *tx;
      found = true;
    }
  }
  if (found) {
    figures.rx_bytes = received;
    figures.tx_bytes = sent;
  }
}

std::optional<std::uint64_t> grown(const std::optional<std::uint64_t>& before,
                                   const std::optional<std::uint64_t>& now) {
  if (!before || !now || *now < *before) {
    return std::nullopt;
  }
  return *now - *before;
}

}  // namespace

std::optional<std::uint64_t> process_start(std::int32_t pid) {
  return pid > 0 ? start_in(read_kernel_text(fmt::format("/proc/{}/stat", pid))) : std::nullopt;
}

bool is_running(std::int32_t pid, std::uint64_t start) {
  return start != 0 && process_start(pid) == start;
}

ChildState child_state(std::int32_t pid, std::int32_t parent) {
  if (pid <= 0) {
    return ChildState::kGone;
  }
  const std::string text = read_kernel_text(fmt::format("/proc/{}/stat", pid));
  const std::string_view fields = after_comm(text);
  if (number(word(fields, 1)) != static_cast<std::uint64_t>(parent)) {
    return ChildState::kGone;
  }
  const std::string_view state = word(fields, 0);
  return state == "Z" || state == "X" ? ChildState::kEnded : ChildState::kRuns;
}

namespace {

// `pids`, and all that run below them.
std::vector<std::int32_t> with_those_below(std::vector<std::int32_t> pids) {
  constexpr std::size_t kMax = 64;
  for (std::size_t i = 0; i < pids.size() && i < kMax; ++i) {
    const std::string below =
        read_kernel_text(fmt::format("/proc/{}/task/{}/children", pids[i], pids[i]));
    for (std::size_t at = 0;; ++at) {
      const auto child = number(word(below, at));
      if (!child || *child > INT32_MAX || pids.size() >= kMax) {
        break;
      }
      const auto pid = static_cast<std::int32_t>(*child);
      if (std::find(pids.begin(), pids.end(), pid) == pids.end()) {
        pids.push_back(pid);
      }
    }
  }
  return pids;
}

}  // namespace

std::uint64_t resident_bytes_below(const std::vector<std::int32_t>& roots) {
  std::uint64_t sum = 0;
  bool first = true;
  for (const std::int32_t pid : with_those_below(roots)) {
    const std::string statm = read_kernel_text(fmt::format("/proc/{}/statm", pid));
    const std::uint64_t resident = number(word(statm, 1)).value_or(0);
    const std::uint64_t shared = first ? 0 : number(word(statm, 2)).value_or(0);
    sum +=
        (resident - std::min(resident, shared)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    first = false;
  }
  return sum;
}

ProcessFigures figures_of_family(std::int32_t root) {
  ProcessFigures figures;
  const auto ns_a_tick = static_cast<std::uint64_t>(1'000'000'000 / sysconf(_SC_CLK_TCK));
  for (const std::int32_t pid : with_those_below({root})) {
    const std::string text = read_kernel_text(fmt::format("/proc/{}/stat", pid));
    const std::string_view fields = after_comm(text);
    if (fields.empty()) {
      continue;
    }
    const auto ticks = [fields](std::size_t own) {  // two fields on: of children that it waited for
      return number(word(fields, own)).value_or(0) + number(word(fields, own + 2)).value_or(0);
    };
    figures.cpu_user_ns = figures.cpu_user_ns.value_or(0) + (ticks(11) * ns_a_tick);
    figures.cpu_system_ns = figures.cpu_system_ns.value_or(0) + (ticks(12) * ns_a_tick);
    figures.threads = figures.threads.value_or(0) + number(word(fields, 17)).value_or(0);
  }
  if (figures.threads) {
    const std::string status = read_kernel_text(fmt::format("/proc/{}/status", root));
    figures.rss_bytes = resident_bytes_below({root});
    figures.peak_rss_bytes =
        std::max(*figures.rss_bytes, line_number(status, "VmHWM:").value_or(0) * 1024);
  }
  return figures;
}

// The environment of a process is a list of words that end with a zero byte.
std::int32_t find_runtime(const std::string& runtime_api) {
  const std::string api = fmt::format("AWS_LAMBDA_RUNTIME_API={}", runtime_api);
  std::int32_t oldest = 0;
  std::uint64_t oldest_start = UINT64_MAX;
  DIR* entries = opendir("/proc");
  while (const dirent* entry = entries != nullptr ? readdir(entries) : nullptr) {
    const auto pid = number(entry->d_name);
    if (!pid || *pid > INT32_MAX) {
      continue;
    }
    const std::string text =
        std::string(1, '\0') + read_kernel_text(fmt::format("/proc/{}/environ", *pid)) + '\0';
    const bool ours = text.find('\0' + api + '\0') != std::string::npos &&
                      text.find(std::string(1, '\0') + "_HANDLER=") != std::string::npos;
    const auto start = ours ? process_start(static_cast<std::int32_t>(*pid)) : std::nullopt;
    if (start && (*start < oldest_start ||
                  (*start == oldest_start && static_cast<std::int32_t>(*pid) < oldest))) {
      oldest = static_cast<std::int32_t>(*pid);
      oldest_start = *start;
    }
  }
  if (entries != nullptr) {
    closedir(entries);
  }
  return oldest;
}

ProcessView::ProcessView(std::int32_t pid, std::uint64_t start)
    : pid_(pid),
      start_(start),
      stat_(fmt::format("/proc/{}/stat", pid)),
      status_(fmt::format("/proc/{}/status", pid)),
      statm_(fmt::format("/proc/{}/statm", pid)),
      network_(fmt::format("/proc/{}/net/dev", pid)) {}

// Field 22 of stat tells whether the number is still that process's; a zombie's memory and
// descriptors are gone.
bool ProcessView::runs() { return pid_ > 0 && start_ != 0 && start_in(stat_.read()) == start_; }

ProcessFigures ProcessView::figures() {
  ProcessFigures figures;
  std::string text;
  if (pid_ <= 0 || start_ == 0 || (text = stat_.read()).empty()) {
    return figures;
  }
  const std::string_view fields = after_comm(text);
  if (number(word(fields, 19)) != start_) {
    return figures;
  }
  const auto ns_a_tick = static_cast<std::uint64_t>(1'000'000'000 / sysconf(_SC_CLK_TCK));
  figures.cpu_user_ns = times(number(word(fields, 11)), ns_a_tick);
  figures.cpu_system_ns = times(number(word(fields, 12)), ns_a_tick);
  if (!(text = status_.read()).empty()) {
    figures.rss_bytes = times(line_number(text, "VmRSS:"), 1024);
    figures.peak_rss_bytes = times(line_number(text, "VmHWM:"), 1024);
    figures.rss_anonymous_bytes = times(line_number(text, "RssAnon:"), 1024);
    figures.threads = line_number(text, "Threads:");
  }
  figures.fd_max = most_descriptors(pid_);
  figures.fd_use = count_entries(fmt::format("/proc/{}/fd", pid_));
  if (!(text = network_.read()).empty()) {
    read_network(text, figures);
  }
  struct statvfs tmp {};
  if (statvfs("/tmp", &tmp) == 0) {
    figures.tmp_max = std::uint64_t{tmp.f_blocks} * tmp.f_frsize;
    figures.tmp_used = std::uint64_t{tmp.f_blocks - tmp.f_bfree} * tmp.f_frsize;
  }
  return figures;
}

// The file is that process's if it was open already when the pid was seen to be still that
// process's: the recording is older than both.
ProcessFigures ProcessView::memory() {
  ProcessFigures figures;
  if (pid_ <= 0 || start_ == 0) {
    return figures;
  }
  const KernelFile::Piece text = statm_.read_short();
  if (!statm_is_its_ && !(statm_is_its_ = runs())) {
    return figures;
  }
  const auto resident = number(word(text.view(), 1));
  const auto shared = number(word(text.view(), 2));
  if (resident && shared && *resident != 0) {  // of a zombie all are 0
    const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    figures.rss_bytes = *resident * page;
    figures.rss_anonymous_bytes = (*resident - std::min(*resident, *shared)) * page;
  }
  return figures;
}

ProcessFigures since(const ProcessFigures& before, const ProcessFigures& now) {
  ProcessFigures figures = now;
  figures.cpu_user_ns = grown(before.cpu_user_ns, now.cpu_user_ns);
  figures.cpu_system_ns = grown(before.cpu_system_ns, now.cpu_system_ns);
  figures.rx_bytes = grown(before.rx_bytes, now.rx_bytes);
  figures.tx_bytes = grown(before.tx_bytes, now.tx_bytes);
  return figures;
}

// A thread's open file says nothing any more once that thread has ended, even if another one has
// its number by now: then it is opened again.
std::optional<std::uint64_t> RunDelays::of(std::int32_t tid) {
  for (Open& open : open_) {
    if (open.tid == tid && open.file) {
      if (const auto known = number(word(open.file->read_short().view(), 1))) {
        return known;
      }
      open.tid = 0;
    }
  }
  Open& open = open_[open_[0].tid == 0 ? 0 : open_[1].tid == 0 ? 1 : next_++ % open_.size()];
  open.tid = tid;
  open.file.emplace(fmt::format("/proc/{}/task/{}/schedstat", pid_, tid));
  const auto known = number(word(open.file->read_short().view(), 1));
  open.tid = known ? tid : 0;
  return known;
}

std::optional<std::uint64_t> own_rss_bytes() {
  std::string text;
  if ((text = read_kernel_text("/proc/self/statm")).empty()) {
    return std::nullopt;
  }
  return times(number(word(text, 1)), static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)));
}

}  // namespace lamprey::report
