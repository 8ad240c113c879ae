// One control group for all processes of an environment. See cgroup.h.
#include "emulator/sandbox/cgroup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace lamprey::emulator {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "lamprey-local-";

bool write_text(const std::string& path, const std::string& text) {
  const int file = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) {
    return false;
  }
  const bool good = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(file);
  return good;
}

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::optional<std::uint64_t> read_number(const std::string& path) {
  const std::string text = read_text(path);
  std::uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  return result.ec == std::errc{} ? std::optional(value) : std::nullopt;
}

// This process's group within a hierarchy: "memory", "freezer", or "" for version 2.
std::string own_path(const std::string& controller) {
  std::istringstream lines(read_text("/proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (second == std::string::npos) {
      continue;
    }
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    if (controller.empty() ? controllers == ",,"
                           : controllers.find("," + controller + ",") != std::string::npos) {
      return line.substr(second + 1);
    }
  }
  return {};
}

// The folder of this process's group, from the mount table; empty when there is none.
std::string own_folder(const std::string& controller) {
  const std::string path = own_path(controller);
  std::istringstream lines(read_text("/proc/self/mountinfo"));
  for (std::string line; !path.empty() && std::getline(lines, line);) {
    std::istringstream words(line);
    std::string skip;
    std::string root;
    std::string point;
    words >> skip >> skip >> skip >> root >> point;
    const auto dash = line.find(" - ");
    if (dash == std::string::npos) {
      continue;
    }
    std::istringstream rest(line.substr(dash + 3));
    std::string type;
    std::string source;
    std::string options;
    rest >> type >> source >> options;
    const bool right =
        controller.empty()
            ? type == "cgroup2"
            : type == "cgroup" &&
                  ("," + options + ",").find("," + controller + ",") != std::string::npos;
    if (!right) {
      continue;
    }
    // In a container the mount may begin below the hierarchy's root.
    const std::string below =
        root != "/" && path.starts_with(root) ? path.substr(root.size()) : path;
    std::error_code error;
    const fs::path folder = fs::path(fmt::format("{}/{}", point, below)).lexically_normal();
    return fs::is_directory(folder, error) ? folder.string() : point;
  }
  return {};
}

// An emulator that was killed could not remove its groups.
void remove_leftovers(const std::string& parent) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(parent, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix)) {
      continue;
    }
    const pid_t owner = static_cast<pid_t>(std::atol(name.c_str() + std::string(kPrefix).size()));
    if (owner > 0 && kill(owner, 0) != 0 && errno == ESRCH) {
      rmdir(entry.path().c_str());
    }
  }
}

std::string make_group(const std::string& parent, const std::string& name) {
  if (parent.empty()) {
    return {};
  }
  remove_leftovers(parent);
  std::string folder = fmt::format("{}/{}{}-{}", parent, kPrefix, getpid(), name);
  if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) {
    return {};
  }
  if (access((folder + "/cgroup.procs").c_str(), W_OK) != 0) {
    rmdir(folder.c_str());
    return {};
  }
  return folder;
}

bool lists_word(const std::string& text, const std::string& word) {
  std::istringstream words(text);
  for (std::string candidate; words >> candidate;) {
    if (candidate == word) {
      return true;
    }
  }
  return false;
}

// Where a version 2 group with a memory limit can be made: below our own group when that may
// delegate the controller (it must hold no processes itself), else beside it.
std::string version2_parent() {
  const std::string own = own_folder("");
  for (const std::string& folder : {own, fs::path(own).parent_path().string()}) {
    if (folder.empty() || access((folder + "/cgroup.controllers").c_str(), R_OK) != 0) {
      continue;
    }
    const std::string control = folder + "/cgroup.subtree_control";
    if (lists_word(read_text(control), "memory") || write_text(control, "+memory")) {
      write_text(control, "+cpu");
      return folder;
    }
  }
  return {};
}

}  // namespace

Cgroup::Cgroup(const std::string& name, std::uint64_t limit_bytes) {
  make_memory_group(name, limit_bytes);
  make_freezer_group(name);
  make_cpu_group(name);
}

void Cgroup::make_memory_group(const std::string& name, std::uint64_t limit_bytes) {
  const std::string limit = std::to_string(limit_bytes);
  memory_.folder = make_group(own_folder("memory"), name);
  if (!memory_.folder.empty()) {
    limited_ = write_text(memory_.folder + "/memory.limit_in_bytes", limit);
    write_text(memory_.folder + "/memory.memsw.limit_in_bytes", limit);  // Lambda has no swap
    return;
  }
  memory_.folder = make_group(version2_parent(), name);
  memory_.version2 = true;
  if (!memory_.folder.empty()) {
    limited_ = write_text(memory_.folder + "/memory.max", limit);
    write_text(memory_.folder + "/memory.swap.max", "0");
  }
}

void Cgroup::make_freezer_group(const std::string& name) {
  if (memory_.version2 && !memory_.folder.empty()) {
    freezer_ = memory_;
    return;
  }
  // Version 2 first: what it holds frozen can still be killed, should the emulator be killed.
  const std::string own = own_folder("");
  freezer_.version2 = true;
  freezer_.folder = make_group(own, name);
  if (!freezer_.folder.empty() && access((freezer_.folder + "/cgroup.freeze").c_str(), W_OK) == 0) {
    return;
  }
  if (!freezer_.folder.empty()) {
    rmdir(freezer_.folder.c_str());
  }
  freezer_.version2 = false;
  freezer_.folder = make_group(own_folder("freezer"), name);
}

void Cgroup::make_cpu_group(const std::string& name) {
  if (!memory_.folder.empty() && memory_.version2) {
    if (access((memory_.folder + "/cpu.max").c_str(), W_OK) == 0) {
      cpu_ = memory_;
    }
    return;
  }
  cpu_.folder = make_group(own_folder("cpu"), name);
  // A kernel can be built without quotas.
  if (!cpu_.folder.empty() && access((cpu_.folder + "/cpu.cfs_quota_us").c_str(), W_OK) != 0) {
    rmdir(cpu_.folder.c_str());
    cpu_.folder.clear();
  }
}

Cgroup::~Cgroup() {
  thaw();
  for (const std::string& folder : folders()) {
    // A group is busy until its last member is gone, and a member may fork while it is killed.
    for (int attempt = 0; attempt < 50; ++attempt) {
      for (const pid_t pid : members()) {
        kill(pid, SIGKILL);
      }
      if (rmdir(folder.c_str()) == 0 || errno == ENOENT) {
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
}

std::vector<std::string> Cgroup::folders() const {
  std::vector<std::string> all;
  for (const std::string& folder : {memory_.folder, freezer_.folder, cpu_.folder}) {
    if (!folder.empty() && std::find(all.begin(), all.end(), folder) == all.end()) {
      all.push_back(folder);
    }
  }
  return all;
}

std::vector<std::string> Cgroup::membership_files() const {
  std::vector<std::string> files = folders();
  for (std::string& file : files) {
    file += "/cgroup.procs";
  }
  return files;
}

std::vector<pid_t> Cgroup::members() const {
  std::vector<pid_t> pids;
  for (const std::string& file : membership_files()) {
    std::istringstream numbers(read_text(file));
    for (pid_t pid = 0; numbers >> pid;) {
      if (pid > 0) {
        pids.push_back(pid);
      }
    }
  }
  std::sort(pids.begin(), pids.end());
  pids.erase(std::unique(pids.begin(), pids.end()), pids.end());
  return pids;
}

std::optional<std::uint64_t> Cgroup::peak_bytes() const {
  if (memory_.folder.empty()) {
    return std::nullopt;
  }
  return read_number(memory_.folder +
                     (memory_.version2 ? "/memory.peak" : "/memory.max_usage_in_bytes"));
}

std::uint64_t Cgroup::out_of_memory_kills() const {
  if (memory_.folder.empty()) {
    return 0;
  }
  std::istringstream words(
      read_text(memory_.folder + (memory_.version2 ? "/memory.events" : "/memory.oom_control")));
  std::string key;
  std::uint64_t value = 0;
  while (words >> key >> value) {
    if (key == "oom_kill") {
      return value;
    }
  }
  return 0;
}

void Cgroup::limit_cpu(std::chrono::microseconds quota, std::chrono::microseconds period) {
  const auto used = std::max(quota, std::chrono::microseconds{1000}).count();
  if (!limits_cpu()) {
    return;
  }
  if (cpu_.version2) {
    write_text(cpu_.folder + "/cpu.max", fmt::format("{} {}", used, period.count()));
  } else {
    write_text(cpu_.folder + "/cpu.cfs_period_us", std::to_string(period.count()));
    write_text(cpu_.folder + "/cpu.cfs_quota_us", std::to_string(used));
  }
}

void Cgroup::freeze() {
  if (freezes()) {
    write_text(freezer_.folder + (freezer_.version2 ? "/cgroup.freeze" : "/freezer.state"),
               freezer_.version2 ? "1" : "FROZEN");
  }
}

void Cgroup::thaw() {
  if (freezes()) {
    write_text(freezer_.folder + (freezer_.version2 ? "/cgroup.freeze" : "/freezer.state"),
               freezer_.version2 ? "0" : "THAWED");
  }
}

}  // namespace lamprey::emulator
