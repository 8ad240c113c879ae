// Running a program untouched; see the header.
#include "cli/commands/child_program.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace lamprey::cli {
namespace {

constexpr int kForwarded[] = {SIGTERM, SIGHUP,  SIGUSR1, SIGUSR2, SIGINT,
                              SIGQUIT, SIGALRM, SIGCONT, SIGWINCH};

volatile sig_atomic_t g_child = 0;

// A terminal sends its signals to the whole group: the program has those already.
void forward(int signal, siginfo_t* info, void*) {
  if (info->si_code <= 0 && g_child > 0) {
    const int error = errno;
    kill(static_cast<pid_t>(g_child), signal);
    errno = error;
  }
}

void install_forwarding() {
  for (const int signal : kForwarded) {
    struct sigaction now {};
    sigaction(signal, nullptr, &now);
    if (now.sa_handler == SIG_IGN) {
      continue;  // nohup: the program ignores it as well
    }
    struct sigaction action {};
    action.sa_sigaction = forward;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, nullptr);
  }
}

[[noreturn]] void become(const std::vector<std::string>& words,
                         const std::function<void()>& prepare, const sigset_t& mask,
                         int report_to) {
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (const std::string& word : words) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  prepare();
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  execvp(arguments[0], arguments.data());
  const int error = errno;
  [[maybe_unused]] const ssize_t wrote = write(report_to, &error, sizeof(error));
  _exit(127);
}

}  // namespace

ChildEnd run_program(const std::vector<std::string>& words, const std::function<void()>& prepare) {
  ChildEnd end;
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) {
    end.start_error = errno;
    return end;
  }
  // Handlers are installed after the fork, so that the program starts with the dispositions that we
  // were given; nothing may arrive in between.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  end.pid = fork();
  if (end.pid == 0) {
    become(words, prepare, before, pipe_ends[1]);
  }
  const int fork_error = errno;
  close(pipe_ends[1]);
  if (end.pid > 0) {
    g_child = end.pid;
    install_forwarding();
  } else {
    end.start_error = fork_error;
  }
  sigprocmask(SIG_SETMASK, &before, nullptr);
  if (end.pid > 0) {
    ssize_t got = 0;
    do {
      got = read(pipe_ends[0], &end.start_error, sizeof(end.start_error));
    } while (got < 0 && errno == EINTR);
    while (wait4(end.pid, &end.wait_status, 0, &end.usage) < 0 && errno == EINTR) {
    }
    g_child = 0;
  }
  close(pipe_ends[0]);
  return end;
}

int follow_into_death(int wait_status) {
  if (WIFEXITED(wait_status)) {
    return WEXITSTATUS(wait_status);
  }
  const int signal_number = WTERMSIG(wait_status);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  std::signal(signal_number, SIG_DFL);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signal_number);
  sigprocmask(SIG_UNBLOCK, &only, nullptr);
  raise(signal_number);
  return 128 + signal_number;
}

}  // namespace lamprey::cli
