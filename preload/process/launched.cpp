// See the header.
#include "preload/process/launched.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include <cerrno>

#include "preload/base/page_probe.h"
#include "preload/base/raw_syscall.h"
#include "preload/base/text.h"
#include "preload/libc/environment.h"
#include "preload/libc/real.h"
#include "preload/process/role.h"

extern "C" char** environ;  // NOLINT(readability-redundant-declaration)

namespace lamprey::preload {
inline namespace process {
namespace launched {
namespace {

constexpr std::size_t kCommandBytes = 1024;  // of a shell's command that are looked at

// A word a line. Copied: a program that sets its title writes over its environment.
char g_words[512] = {};
bool g_wanted = false;  // not found yet; never set again

const char* base_of(const char* path, std::size_t n) {
  const char* base = path;
  for (std::size_t i = 0; i < n; ++i) {
    base = path[i] == '/' ? path + i + 1 : base;
  }
  return base;
}

bool same_program(const char* a, std::size_t a_bytes, const char* b, std::size_t b_bytes) {
  const char* const a_base = base_of(a, a_bytes);
  const char* const b_base = base_of(b, b_bytes);
  const auto n = static_cast<std::size_t>(a + a_bytes - a_base);
  return n != 0 && n == static_cast<std::size_t>(b + b_bytes - b_base) &&
         __builtin_memcmp(a_base, b_base, n) == 0;
}

// By the last part of the path: what one names by its path another may look up.
bool is_word(const char* program, std::size_t n) {
  const char* word = g_words;
  for (const char* c = g_words;; ++c) {
    if (*c == '\n' || *c == '\0') {
      if (same_program(program, n, word, static_cast<std::size_t>(c - word))) {
        return true;
      }
      word = c + 1;
    }
    if (*c == '\0') {
      return false;
    }
  }
}

bool ends_word(char c) {
  for (const char* at = " \t\n'\"`;&|()<>$=\\"; *at != '\0'; ++at) {
    if (c == *at) {
      return true;
    }
  }
  return false;
}

// A command for a shell: any word of it, outside quotes or in them.
bool names_a_word(const char* command) {
  char text[kCommandBytes];
  if (!page_probe::copy_text(text, command)) {
    return false;
  }
  const char* begin = text;
  for (const char* c = text;; ++c) {
    if (*c == '\0' || ends_word(*c)) {
      if (c != begin && is_word(begin, static_cast<std::size_t>(c - begin))) {
        return true;
      }
      begin = c + 1;
    }
    if (*c == '\0') {
      return false;
    }
  }
}

// The copy of `environment` with what leave_environment() took out, in memory that stays; nullptr:
// there is none. Without malloc: posix_spawn(3) is called in handlers and vfork children.
char** with_library(char* const* environment) {
  const std::size_t entries = entries_for_exec(environment);
  if (entries == 0) {
    return nullptr;
  }
  const std::size_t bytes = (entries * sizeof(char*)) + kPreloadBytes;
  const long at = raw_syscall(SYS_mmap, 0, static_cast<long>(bytes), PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at < 0 && at > -4096) {
    return nullptr;
  }
  auto** copy = reinterpret_cast<char**>(at);  // NOLINT(performance-no-int-to-ptr)
  auto* preload = reinterpret_cast<char*>(copy + entries);
  environment_for_exec(environment, copy, entries, preload, kPreloadBytes);
  return copy;
}

// Returns the bytes, NULs between the words.
std::size_t read_own_command(char* to, std::size_t capacity) {
  const long fd = raw_syscall(SYS_openat, AT_FDCWD, pointer_argument("/proc/self/cmdline"),
                              O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return 0;
  }
  const long got = raw_syscall(SYS_read, fd, pointer_argument(to), static_cast<long>(capacity));
  raw_syscall(SYS_close, fd);
  return got > 0 ? static_cast<std::size_t>(got) : 0;
}

// What rt_sigaction(2) takes and gives; libc's sigaction is ours.
struct KernelAction {
  std::uintptr_t handler;
  unsigned long flags;
  std::uintptr_t restorer;
  std::uint64_t mask;
};

constexpr std::uint64_t bit_of(int signal) { return std::uint64_t{1} << (signal - 1); }

KernelAction ignore(int signal) {
  const KernelAction ignored = {1 /* SIG_IGN */, 0, 0, 0};
  KernelAction before = {};
  raw_syscall(SYS_rt_sigaction, signal, pointer_argument(&ignored), pointer_argument(&before),
              sizeof(before.mask));
  return before;
}

void put_back(int signal, const KernelAction& action) {
  raw_syscall(SYS_rt_sigaction, signal, pointer_argument(&action), 0, sizeof(action.mask));
}

constexpr int kNoShell = 127 << 8;  // as a shell says that it found no program

}  // namespace

void attach() {
  const char* words = environment_value(kCommandVariable);
  if (words != nullptr) {
    copy_text(g_words, words);
    g_wanted = g_words[0] != '\0';  // a command of one word names nothing that could be a child
  }
}

// The first word of its command line, or the second: a script's interpreter has the script there.
bool is_candidate() {
  char words[512] = {};
  const std::size_t n = g_wanted ? read_own_command(words, sizeof(words)) : 0;
  std::size_t at = 0;
  for (int word = 0; word < 2 && at < n; ++word) {
    std::size_t end = at;
    while (end < n && words[end] != '\0') {
      ++end;
    }
    if (is_word(words + at, end - at)) {
      return true;
    }
    at = end + 1;
  }
  return false;
}

void found() { __atomic_store_n(&g_wanted, false, __ATOMIC_RELAXED); }

bool takes_library(const char* program, char* const* arguments) {
  if (!__atomic_load_n(&g_wanted, __ATOMIC_RELAXED)) {
    return false;
  }
  char text[256] = {};  // empty: by its descriptor (fexecve)
  if (program != nullptr && !page_probe::copy_text(text, program)) {
    return false;
  }
  const char* words[8] = {};
  const std::size_t got = page_probe::copy_from_caller(words, arguments, sizeof(words));
  const std::size_t count = got / sizeof(words[0]);
  char first[256];
  if (is_word(text, length_of(text)) ||
      (count > 0 && page_probe::copy_text(first, words[0]) && is_word(first, length_of(first)))) {
    return true;
  }
  if (!is_shell(text)) {
    return false;
  }
  // `sh -c "..."`, `sh script python3 ...`, `env NAME=VALUE python3 ...`
  for (std::size_t i = 1; i < count && words[i] != nullptr; ++i) {
    if (names_a_word(words[i])) {
      return true;
    }
  }
  return false;
}

char* const* environment_for(const char* program, char* const* arguments,
                             char* const* environment) {
  char** const copy = takes_library(program, arguments) ? with_library(environment) : nullptr;
  return copy != nullptr ? copy : environment;
}

bool starts_runtime(const char* command) {
  return __atomic_load_n(&g_wanted, __ATOMIC_RELAXED) && command != nullptr &&
         names_a_word(command);
}

// As system(3) has it, the shell has the signals that this process had, and this process ignores
// SIGINT and SIGQUIT and does not get SIGCHLD while it waits. (Attributes of posix_spawn(3) would
// let it do so from before the start. They are libc's to lay out, and a shell does not end within
// the microsecond in between.)
int run_shell(const char* command) {
  static std::uint32_t running = 0;
  char** const environment = with_library(environ);
  if (environment == nullptr || !available(g_real.posix_spawn, "posix_spawn") ||
      !recording::exchange_if(running, 0U, 1U)) {
    return g_real.system(command);
  }
  const char* const words[] = {"sh", "-c", command, nullptr};
  int pid = 0;
  int status = kNoShell;
  if (g_real.posix_spawn(&pid, "/bin/sh", nullptr, nullptr, const_cast<char* const*>(words),
                         environment) == 0) {
    const std::uint64_t child_signal = bit_of(SIGCHLD);
    std::uint64_t mask = 0;
    raw_syscall(SYS_rt_sigprocmask, SIG_BLOCK, pointer_argument(&child_signal),
                pointer_argument(&mask), sizeof(mask));
    const KernelAction interrupt = ignore(SIGINT);
    const KernelAction quit = ignore(SIGQUIT);
    while (raw_syscall(SYS_wait4, pid, pointer_argument(&status), 0, 0) == -EINTR) {
    }
    put_back(SIGINT, interrupt);
    put_back(SIGQUIT, quit);
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, pointer_argument(&mask), 0, sizeof(mask));
  }
  recording::publish(running, 0U);
  return status;
}

}  // namespace launched
}  // namespace process
}  // namespace lamprey::preload
