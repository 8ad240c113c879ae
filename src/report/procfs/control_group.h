// Where a process's control group has its files, whichever of cgroup's two versions, or both, is in
// use. What the files say is their readers' business. On Lambda there is none to be seen; where a
// function runs in a container or under `lamprey local`, there is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lamprey::report {

struct GroupFile {
  const char* controller;  // "memory"
  const char* version1;    // the file's name where the controller is mounted by itself
  const char* version2;    // and in the one tree of version 2
};

inline constexpr GroupFile kGroupKills{"memory", "memory.oom_control", "memory.events"};
inline constexpr GroupFile kGroupCpu{"cpu", "cpu.stat", "cpu.stat"};

// Its path; empty where it cannot be read, or /proc does not show the group. `pid` 0: of the
// calling process.
std::string group_file(std::int32_t pid, const GroupFile& file);

// The number behind `key` and a blank, at the start of a line ("throttled_usec 120").
std::optional<std::uint64_t> number_of(std::string_view text, std::string_view key);

}  // namespace lamprey::report
