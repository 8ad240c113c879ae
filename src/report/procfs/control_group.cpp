// Finds a control group's files; see the header.
#include "report/procfs/control_group.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "report/procfs/procfs_file.h"

namespace lamprey::report {
namespace {

// The path behind the controllers in a line of /proc/<pid>/cgroup ("4:memory:/x", "0::/x").
std::optional<std::string> group_path(std::string_view text, std::string_view controllers) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) {
      continue;
    }
    const std::string_view names = line.substr(first + 1, second - first - 1);
    const bool whole = names == controllers;
    const bool among =
        !controllers.empty() &&
        ("," + std::string(names) + ",").find("," + std::string(controllers) + ",") !=
            std::string::npos;
    if (whole || among) {
      const std::string path(line.substr(second + 1));
      return path == "/" ? std::string() : path;
    }
  }
  return std::nullopt;
}

}  // namespace

// The number behind `key` and a blank, at the start of a line.
std::optional<std::uint64_t> number_of(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    std::uint64_t value = 0;
    if (line.size() > key.size() + 1 && line.starts_with(key) && line[key.size()] == ' ' &&
        std::from_chars(line.data() + key.size() + 1, line.data() + line.size(), value).ec ==
            std::errc{}) {
      return value;
    }
  }
  return std::nullopt;
}

std::string group_file(std::int32_t pid, const GroupFile& file) {
  const std::string groups = read_kernel_text(pid == 0 ? std::string("/proc/self/cgroup")
                                                       : fmt::format("/proc/{}/cgroup", pid));
  struct Place {
    std::string_view controller;
    std::string mount;
    const char* name;
  };
  const Place places[] = {{file.controller, fmt::format("/{}", file.controller), file.version1},
                          {file.controller, "", file.version1},
                          {"", "", file.version2},
                          {"", "/unified", file.version2}};
  for (const Place& place : places) {
    if (const auto path = group_path(groups, place.controller)) {
      std::string found = fmt::format("/sys/fs/cgroup{}{}/{}", place.mount, *path, place.name);
      if (access(found.c_str(), R_OK) == 0) {
        return found;
      }
    }
  }
  return {};
}

}  // namespace lamprey::report
