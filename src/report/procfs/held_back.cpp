// Reads what was held back; see the header.
#include "report/procfs/held_back.h"

#include <unistd.h>

#include <charconv>
#include <string>
#include <utility>

#include "report/procfs/control_group.h"

namespace lamprey::report {
namespace {

std::optional<std::uint64_t> since_last(std::optional<std::uint64_t>& last,
                                        std::optional<std::uint64_t> now) {
  const auto before = std::exchange(last, now);
  return before && now && *now >= *before ? std::optional(*now - *before) : std::nullopt;
}

// The eighth figure of "cpu  user nice system idle iowait irq softirq steal ...", the first line of
// /proc/stat. A kernel that the hypervisor tells nothing has 0 there for ever: that says nothing.
std::optional<std::uint64_t> steal_ns() {
  constexpr std::size_t kStealWord = 8;
  constexpr std::uint64_t kSecondNs = 1'000'000'000;
  const std::string text = read_kernel_text("/proc/stat", 256);
  std::size_t at = 0;
  for (std::size_t word = 0; word < kStealWord; ++word) {
    at = text.find_first_not_of(' ', text.find(' ', at));
    if (at == std::string::npos) {
      return std::nullopt;
    }
  }
  std::uint64_t ticks = 0;
  std::from_chars(text.data() + at, text.data() + text.size(), ticks);
  return ticks == 0
             ? std::nullopt
             : std::optional(ticks * kSecondNs / static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK)));
}

}  // namespace

std::optional<std::uint64_t> HeldBack::by_quota_ns() {
  if (!std::exchange(looked_, true)) {
    const std::string path = group_file(pid_, kGroupCpu);
    if (!path.empty()) {
      quota_file_.emplace(path);
    }
  }
  if (!quota_file_) {
    return std::nullopt;
  }
  const std::string text = quota_file_->read();
  auto now = number_of(text, "throttled_time");
  if (const auto us = number_of(text, "throttled_usec")) {
    now = *us * 1000;
  }
  return since_last(quota_, now);
}

std::optional<std::uint64_t> HeldBack::by_host_ns() { return since_last(host_, steal_ns()); }

}  // namespace lamprey::report
