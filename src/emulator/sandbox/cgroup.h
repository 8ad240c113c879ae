// One control group for all processes of an environment: memory limit, share of the CPU, freezer,
// membership. Works with cgroup v1, v2 and the hybrid of both, as far as the machine allows. How
// much of what a function gets is decided elsewhere.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lamprey::emulator {

class Cgroup {
 public:
  // Makes the groups that can be made; `limit_bytes` is enforced when limits_memory() says so.
  // Removes left-over groups of emulators that no longer run.
  Cgroup(const std::string& name, std::uint64_t limit_bytes);
  ~Cgroup();  // kills what is left inside and removes the groups
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;

  bool limits_memory() const { return limited_; }
  bool limits_cpu() const { return !cpu_.folder.empty(); }
  // So much CPU time for all members together in each `period`, at least 1 ms (the kernel's least).
  void limit_cpu(std::chrono::microseconds quota, std::chrono::microseconds period);
  bool freezes() const { return !freezer_.folder.empty(); }
  std::vector<std::string> membership_files() const;  // a process writes "0" there to join
  std::vector<pid_t> members() const;
  std::optional<std::uint64_t> peak_bytes() const;
  std::uint64_t out_of_memory_kills() const;
  void freeze();
  void thaw();

 private:
  struct Group {
    std::string folder;  // empty = none
    bool version2 = false;
  };

  void make_memory_group(const std::string& name, std::uint64_t limit_bytes);
  void make_freezer_group(const std::string& name);
  void make_cpu_group(const std::string& name);
  std::vector<std::string> folders() const;  // each once

  Group memory_;
  Group cpu_;
  Group freezer_;
  bool limited_ = false;
};

}  // namespace lamprey::emulator
