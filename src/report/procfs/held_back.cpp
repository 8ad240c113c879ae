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

}  // namespace

std::optional<std::uint64_t> steal_ns(std::string_view stat) {
  constexpr std::size_t kStealWord = 8;
  constexpr std::uint64_t kSecondNs = 1'000'000'000;
  std::size_t at = 0;
  for (std::size_t word = 0; word < kStealWord && at != std::string_view::npos; ++word) {
    at = stat.find_first_not_of(' ', stat.find(' ', at));
  }
  std::uint64_t ticks = 0;
  if (!stat.starts_with("cpu ") || at == std::string_view::npos ||
      std::from_chars(stat.data() + at, stat.data() + stat.size(), ticks).ec != std::errc{}) {
    return std::nullopt;
  }
  return ticks * kSecondNs / static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
}

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

std::optional<std::uint64_t> HeldBack::by_host_ns() {
  return since_last(host_, steal_ns(read_kernel_text("/proc/stat", 256)));
}

}  // namespace lamprey::report
