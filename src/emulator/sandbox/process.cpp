// Starts one process of an environment. What to start and when to end it is decided elsewhere.
#include "emulator/sandbox/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstring>

namespace lamprey::emulator {
namespace {

constexpr int kErrorFd = 3;          // the child's end of the pipe that reports a failed exec
constexpr int kPipeBytes = 1 << 20;  // a record line of 60 KiB must fit without waiting for us
constexpr int kFirstParked = 64;     // descriptors are moved up here before they are arranged

struct Pipe {
  int reading = -1;
  int writing = -1;

  Pipe() = default;
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close_end(reading);
    close_end(writing);
  }

  bool open() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
      return false;
    }
    reading = ends[0];
    writing = ends[1];
    return true;
  }
  static void close_end(int& end) {
    if (end >= 0) {
      close(end);
      end = -1;
    }
  }
  int release_reading() {
    const int end = reading;
    reading = -1;
    return end;
  }
};

// Everything the child needs, prepared before the fork: after it, nothing may allocate.
struct ChildPlan {
  std::vector<char*> arguments;
  std::vector<std::string> variable_texts;
  std::vector<char*> variables;
  const ProcessPlan* plan = nullptr;
  const OptMapping* mapping = nullptr;
  int stdout_fd = -1;
  int stderr_fd = -1;
  int error_fd = -1;
  pid_t parent = 0;
};

ChildPlan prepare(const ProcessPlan& plan, const OptMapping& mapping) {
  ChildPlan child;
  child.plan = &plan;
  child.mapping = &mapping;
  child.parent = getpid();
  for (const std::string& argument : plan.arguments) {
    child.arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  child.arguments.push_back(nullptr);
  for (const auto& [name, value] : plan.variables) {
    child.variable_texts.push_back(fmt::format("{}={}", name, value));
  }
  for (std::string& text : child.variable_texts) {
    child.variables.push_back(text.data());
  }
  child.variables.push_back(nullptr);
  return child;
}

void join_cgroups(const ProcessPlan& plan) {
  for (const std::string& path : plan.cgroup_files) {
    const int file = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (file >= 0) {
      // Best effort: the process runs without the limit rather than not at all.
      const ssize_t ignored = write(file, "0", 1);
      static_cast<void>(ignored);
      close(file);
    }
  }
}

void reset_signals() {
  for (int number = 1; number < NSIG; ++number) {
    signal(number, SIG_DFL);  // refused for SIGKILL and SIGSTOP, which is what we want
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// 0, 1, 2 and kErrorFd as planned, nothing else open.
bool arrange_descriptors(const ChildPlan& child) {
  const int out = fcntl(child.stdout_fd, F_DUPFD, kFirstParked);
  const int err = fcntl(child.stderr_fd, F_DUPFD, kFirstParked);
  const int report = fcntl(child.error_fd, F_DUPFD, kFirstParked);
  const int nothing = open("/dev/null", O_RDONLY);
  if (out < 0 || err < 0 || report < 0 || nothing < 0 || dup2(nothing, 0) < 0 || dup2(out, 1) < 0 ||
      dup2(err, 2) < 0 || dup2(report, kErrorFd) < 0) {
    return false;
  }
  fcntl(kErrorFd, F_SETFD, FD_CLOEXEC);
  if (syscall(SYS_close_range, kErrorFd + 1, ~0U, 0) != 0) {  // since Linux 5.9
    for (int fd = kErrorFd + 1; fd < 4096; ++fd) {
      close(fd);
    }
  }
  return true;
}

[[noreturn]] void run_child(const ChildPlan& child) {
  setpgid(0, 0);
  // Nothing may be left running when the emulator is killed.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != child.parent) {
    _exit(127);
  }
  reset_signals();
  join_cgroups(*child.plan);
  int failure = enter_mapping(*child.mapping);
  if (failure == 0 && !arrange_descriptors(child)) {
    failure = errno;
    _exit(127);
  }
  if (failure == 0 && chdir(child.plan->folder.c_str()) != 0) {
    failure = errno;
  }
  if (failure == 0) {
    execve(child.arguments[0], child.arguments.data(), child.variables.data());
    failure = errno;
  }
  const ssize_t ignored = write(kErrorFd, &failure, sizeof failure);
  static_cast<void>(ignored);
  _exit(127);
}

int read_failure(int fd) {
  int failure = 0;
  ssize_t got = 0;
  do {
    got = read(fd, &failure, sizeof failure);
  } while (got < 0 && errno == EINTR);
  return got == sizeof failure ? failure : 0;
}

}  // namespace

StartedProcess start_process(const ProcessPlan& plan, const OptMapping& mapping) {
  StartedProcess result;
  Pipe out;
  Pipe err;
  Pipe report;
  if (!out.open() || !err.open() || !report.open()) {
    result.error = errno;
    return result;
  }
  fcntl(out.writing, F_SETPIPE_SZ, kPipeBytes);
  fcntl(err.writing, F_SETPIPE_SZ, kPipeBytes);
  ChildPlan child = prepare(plan, mapping);
  child.stdout_fd = out.writing;
  child.stderr_fd = err.writing;
  child.error_fd = report.writing;
  const pid_t pid = fork();
  if (pid < 0) {
    result.error = errno;
    return result;
  }
  if (pid == 0) {
    run_child(child);
  }
  setpgid(pid, pid);  // here too, so that it holds whoever runs first
  Pipe::close_end(report.writing);
  result.error = read_failure(report.reading);
  if (result.error != 0) {
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return result;
  }
  result.pid = pid;
  result.stdout_fd = out.release_reading();
  result.stderr_fd = err.release_reading();
  fcntl(result.stdout_fd, F_SETFL, O_NONBLOCK);
  fcntl(result.stderr_fd, F_SETFL, O_NONBLOCK);
  return result;
}

std::string describe_exit(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    std::string name = strsignal(WTERMSIG(wait_status));
    if (!name.empty()) {
      name[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(name[0])));
    }
    return fmt::format("signal: {}{}", name, WCOREDUMP(wait_status) ? " (core dumped)" : "");
  }
  return fmt::format("exit status {}", WEXITSTATUS(wait_status));
}

}  // namespace lamprey::emulator
