// The processes of one environment. When to do what with them is decided elsewhere.
#include "emulator/sandbox/sandbox.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace lamprey::emulator {
namespace {

namespace fs = std::filesystem;

// Lambda gives a whole CPU at 1,769 MB (AWS's documentation), in slices of 20 ms (measured by
// others).
constexpr std::chrono::microseconds kSlice{20'000};
constexpr std::uint64_t kMbOfOneCpu = 1769;

constexpr const char* kApiVariable = "AWS_LAMBDA_RUNTIME_API";

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The high-water mark of a process's resident memory, in bytes; 0 when it is gone.
std::uint64_t resident_peak(pid_t pid) {
  std::istringstream lines(read_text("/proc/" + std::to_string(pid) + "/status"));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("VmHWM:")) {
      return static_cast<std::uint64_t>(std::strtoull(line.c_str() + 6, nullptr, 10)) * 1024;
    }
  }
  return 0;
}

bool has_variable(pid_t pid, const std::string& assignment) {
  const std::string text = '\0' + read_text("/proc/" + std::to_string(pid) + "/environ");
  return text.find('\0' + assignment + '\0') != std::string::npos;
}

}  // namespace

Sandbox::Sandbox(boost::asio::io_context& io, ChildReaper& reaper, const OptMapping& mapping,
                 const Options& options, const std::string& label, SandboxEvents events)
    : io_(io), reaper_(reaper), mapping_(mapping), options_(options), events_(std::move(events)) {
  if (options.limit_memory) {
    cgroup_ = std::make_unique<Cgroup>(label, options.memory_mb << 20);
  }
}

void Sandbox::end_burst() {
  if (cgroup_ && options_.limit_cpu) {
    cgroup_->limit_cpu(kSlice * options_.memory_mb / kMbOfOneCpu, kSlice);
  }
}

Sandbox::~Sandbox() {
  kill_all();
  for (const auto& [pid, name] : extensions_) {
    reaper_.forget(pid);
  }
  if (runtime_ > 0) {
    reaper_.forget(runtime_);
  }
  for (const auto& reader : readers_) {
    reader->close();
  }
}

std::vector<std::string> Sandbox::extension_names() const {
  std::vector<std::string> names;
  std::error_code error;
  if (options_.layer.empty()) {
    return names;
  }
  for (const auto& entry : fs::directory_iterator(options_.layer + "/extensions", error)) {
    if (entry.is_regular_file(error) && access(entry.path().c_str(), X_OK) == 0) {
      names.push_back(entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

int Sandbox::start_extension(const std::string& name, const Variables& variables) {
  return start(name, {mapping_.path("/opt/extensions/" + name)}, variables, "/");
}

int Sandbox::start_runtime(const Variables& variables) {
  std::vector<std::string> arguments = options_.command;
  Variables adapted = variables;
  const auto wrapper = adapted.find("AWS_LAMBDA_EXEC_WRAPPER");
  if (wrapper != adapted.end()) {
    wrapper->second = mapping_.path(wrapper->second);
    arguments.insert(arguments.begin(), wrapper->second);
  }
  std::error_code error;
  return start("", std::move(arguments), std::move(adapted), fs::current_path(error).string());
}

int Sandbox::start(const std::string& name, std::vector<std::string> arguments, Variables variables,
                   const std::string& folder) {
  ProcessPlan plan;
  plan.arguments = std::move(arguments);
  plan.folder = folder;
  if (cgroup_) {
    plan.cgroup_files = cgroup_->membership_files();
  }
  api_address_ = variables[kApiVariable];
  plan.variables = std::move(variables);
  const StartedProcess process = start_process(plan, mapping_);
  if (process.error != 0) {
    return process.error;
  }
  const bool extension = !name.empty();
  if (extension) {
    extensions_[process.pid] = name;
  } else {
    runtime_ = process.pid;
  }
  read_output(process.stdout_fd, extension);
  read_output(process.stderr_fd, extension);
  reaper_.watch(process.pid, [this, pid = process.pid, name](int wait_status) {
    ended(pid, name, wait_status);
  });
  return 0;
}

void Sandbox::read_output(int fd, bool from_extension) {
  std::erase_if(readers_, [](const auto& reader) { return !reader->open(); });
  auto reader = std::make_shared<LineReader>(
      io_, fd,
      [this, from_extension](std::string_view line) { events_.line(from_extension, line); });
  reader->start();
  readers_.push_back(std::move(reader));
}

void Sandbox::ended(pid_t pid, const std::string& name, int wait_status) {
  drain_output();
  if (pid == runtime_) {
    runtime_ = 0;
    events_.runtime_ended(wait_status);
    return;
  }
  extensions_.erase(pid);
  events_.extension_ended(name, wait_status);
}

std::vector<std::string> Sandbox::running_extensions() const {
  std::vector<std::string> names;
  for (const auto& [pid, name] : extensions_) {
    names.push_back(name);
  }
  return names;
}

void Sandbox::signal_runtime(int number) const {
  if (runtime_ > 0) {
    kill(-runtime_, number);
  }
}

void Sandbox::kill_extension(const std::string& name) const {
  for (const auto& [pid, candidate] : extensions_) {
    if (candidate == name) {
      kill(-pid, SIGKILL);
    }
  }
}

void Sandbox::signal_groups(int number) const {
  signal_runtime(number);
  for (const auto& [pid, name] : extensions_) {
    kill(-pid, number);
  }
}

void Sandbox::kill_all() {
  signal_groups(SIGKILL);
  kill_orphans();
  thaw();  // what is frozen dies only after it
}

// Processes that made a session of their own and lost their parent. Without a control group they
// are known by the address of this environment's API, which no other environment has.
void Sandbox::kill_orphans() const {
  if (cgroup_ && !cgroup_->membership_files().empty()) {
    for (const pid_t pid : cgroup_->members()) {
      kill(pid, SIGKILL);
    }
    return;
  }
  if (api_address_.empty()) {
    return;
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename().string();
    pid_t pid = 0;
    const auto result = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (result.ec == std::errc{} && pid > 1 && pid != getpid() &&
        has_variable(pid, std::string(kApiVariable) + "=" + api_address_)) {
      kill(pid, SIGKILL);
    }
  }
}

void Sandbox::freeze() {
  if (frozen_) {
    return;
  }
  frozen_ = true;
  if (cgroup_ && cgroup_->freezes()) {
    cgroup_->freeze();
  } else {
    signal_groups(SIGSTOP);
  }
}

void Sandbox::thaw() {
  if (!frozen_) {
    return;
  }
  frozen_ = false;
  if (cgroup_ && cgroup_->freezes()) {
    cgroup_->thaw();
  } else {
    signal_groups(SIGCONT);
  }
}

void Sandbox::drain_output() {
  for (const auto& reader : readers_) {
    reader->drain();
  }
}

std::optional<std::uint64_t> Sandbox::peak_bytes() const {
  if (cgroup_) {
    const auto peak = cgroup_->peak_bytes();
    if (peak) {
      return peak;
    }
  }
  std::uint64_t total = runtime_ > 0 ? resident_peak(runtime_) : 0;
  for (const auto& [pid, name] : extensions_) {
    total += resident_peak(pid);
  }
  // Without the runtime the sum would be too small: then there is no figure.
  return runtime_ > 0 && total > 0 ? std::optional(total) : std::nullopt;
}

}  // namespace lamprey::emulator
