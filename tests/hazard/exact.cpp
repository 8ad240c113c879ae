// What exact mode (docs/exact-mode.md) may break, each as a word on the command line. Functions of
// libc are called as libc has them (own() looks them up there), so that nothing but the changed
// code stands between the program and the kernel.
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "tests/hazard/registers.h"

namespace {

template <class Function>
Function* own(const char* name) {
  static void* const libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
  void* found = libc != nullptr ? dlsym(libc, name) : nullptr;
  if (found == nullptr) {
    std::fprintf(stderr, "libc has no %s\n", name);
    std::exit(2);
  }
  return reinterpret_cast<Function*>(found);
}

// Bytes of libc's code that are not those of its file.
int changed() {
  struct Found {
    const unsigned char* begin = nullptr;
    std::size_t bytes = 0;
    long offset = 0;
    std::string path;
  } found;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* into) {
        auto& to = *static_cast<Found*>(into);
        const std::string path = info->dlpi_name;
        for (int i = 0; path.ends_with("/libc.so.6") && i < info->dlpi_phnum; ++i) {
          const ElfW(Phdr)& segment = info->dlpi_phdr[i];
          if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0) {
            to = {reinterpret_cast<const unsigned char*>(info->dlpi_addr + segment.p_vaddr),
                  segment.p_filesz, static_cast<long>(segment.p_offset), path};
          }
        }
        return 0;
      },
      &found);
  std::vector<unsigned char> file(found.bytes);
  std::FILE* from = std::fopen(found.path.c_str(), "rb");
  if (from == nullptr || std::fseek(from, found.offset, SEEK_SET) != 0 ||
      std::fread(file.data(), 1, file.size(), from) != file.size()) {
    return 2;
  }
  std::size_t different = 0;
  for (std::size_t i = 0; i < file.size(); ++i) {
    different += file[i] != found.begin[i] ? 1 : 0;
  }
  std::printf("%s\n", different == 0 ? "as in the file" : "changed");
  return 0;
}

int registers() {
  static timespec moment = {0, 30'000'000};  // long enough for the gate to ask what of it was idle
  void* const getppid_own = reinterpret_cast<void*>(own<pid_t()>("getppid"));
  void* const sched_yield_own = reinterpret_cast<void*>(own<int()>("sched_yield"));
  void* const syscall_own = reinterpret_cast<void*>(own<long(long, ...)>("syscall"));
#if defined(__x86_64__)
  constexpr unsigned long kFlags = 0;
  constexpr unsigned long kMoved = 0x77;  // syscall() moves its arguments: all but rbx, r12 to r15
#else
  constexpr unsigned long kFlags = 1UL << 16;  // these two look at the result
  constexpr unsigned long kMoved = 0x7F;       // x1 to x7
#endif
  bool good = same_after("getppid", getppid_own, 1, 2, 0);
  good = same_after("sched_yield", sched_yield_own, 1, 2, kFlags) && good;
  good = same_after("syscall(nanosleep)", syscall_own, SYS_nanosleep,
                    reinterpret_cast<unsigned long>(&moment), kFlags | kMoved) &&
         good;
  std::printf("registers %s\n", good ? "kept" : "lost");
  return good ? 0 : 1;
}

int g_pipe[2];

struct Announces {
  const char* what;
  ~Announces() { std::printf("%s left\n", what); }
};

std::atomic<long> g_thread{0};

// On a busy machine a new thread may need longer than any fixed time to come so far.
void wait_until_blocked() {
  constexpr int kLooks = 3;
  for (int blocked = 0; blocked < kLooks; usleep(10'000)) {
    char path[64];
    std::snprintf(path, sizeof(path), "/proc/self/task/%ld/stat", g_thread.load());
    char stat[512] = {};
    if (FILE* const file = g_thread != 0 ? std::fopen(path, "re") : nullptr; file != nullptr) {
      (void)!std::fread(stat, 1, sizeof(stat) - 1, file);
      std::fclose(file);
    }
    const char* const state = std::strrchr(stat, ')');  // "4711 (exact) S 1 ..."
    blocked = state != nullptr && state[2] == 'S' ? blocked + 1 : 0;
  }
}

void* blocked_reader(void*) {
  const Announces outer{"outer"};
  g_thread = syscall(SYS_gettid);
  char byte = 0;
  const Announces inner{"inner"};
  (void)!own<ssize_t(int, void*, std::size_t)>("read")(g_pipe[0], &byte, 1);
  return nullptr;
}

void* blocked_poller(void*) {
  const Announces one{"poller"};
  g_thread = syscall(SYS_gettid);
  pollfd wait = {g_pipe[0], POLLIN, 0};
  own<int(pollfd*, nfds_t, int)>("poll")(&wait, 1, -1);
  return nullptr;
}

void* blocked_asynchronously(void*) {
  int before = 0;
  // NOLINTNEXTLINE(concurrency-thread-canceltype-asynchronous): what is tried
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &before);
  const Announces one{"asynchronous"};
  g_thread = syscall(SYS_gettid);
  timespec forever = {1000, 0};
  own<long(long, ...)>("syscall")(SYS_nanosleep, &forever, nullptr);
  return nullptr;
}

int cancelled() {
  (void)!pipe(g_pipe);
  for (void* (*body)(void*) : {blocked_reader, blocked_poller, blocked_asynchronously}) {
    pthread_t thread{};
    void* result = nullptr;
    g_thread = 0;
    pthread_create(&thread, nullptr, body, nullptr);
    wait_until_blocked();
    pthread_cancel(thread);
    pthread_join(thread, &result);
    std::printf("%s\n", result == PTHREAD_CANCELED ? "cancelled" : "not cancelled");
  }
  return 0;
}

sigjmp_buf g_back;
std::atomic<int> g_handled{0};

void jump_back(int) { siglongjmp(g_back, 1); }
void note(int) { g_handled.fetch_add(1); }

void handle(int signal, void (*handler)(int), int flags) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigaction(signal, &action, nullptr);
}

void alarm_in(long microseconds) {
  const itimerval timer = {{0, 0}, {0, microseconds}};
  setitimer(ITIMER_REAL, &timer, nullptr);
}

int jumps() {
  (void)!pipe(g_pipe);
  handle(SIGALRM, jump_back, SA_NODEFER);
  auto* const read_own = own<ssize_t(int, void*, std::size_t)>("read");
  volatile int left = 0;
  for (volatile int i = 0; i < 200;) {
    i = i + 1;
    if (sigsetjmp(g_back, 1) == 0) {
      char byte = 0;
      alarm_in(500);
      read_own(g_pipe[0], &byte, 1);
    } else {
      left = left + 1;
    }
  }
  std::printf("left %d reads\n", left);
  return 0;
}

int interrupted() {
  (void)!pipe(g_pipe);
  auto* const read_own = own<ssize_t(int, void*, std::size_t)>("read");
  char byte = 0;
  handle(SIGALRM, note, 0);
  alarm_in(20'000);
  const ssize_t without = read_own(g_pipe[0], &byte, 1);
  std::printf("without SA_RESTART: %zd, %s\n", without, std::strerror(errno));
  handle(SIGALRM, note, SA_RESTART);
  alarm_in(20'000);
  std::thread writer([] {
    while (g_handled.load() < 2) {
      usleep(1000);
    }
    usleep(20'000);
    (void)!write(g_pipe[1], "x", 1);
  });
  const ssize_t with = read_own(g_pipe[0], &byte, 1);
  writer.join();
  std::printf("with SA_RESTART: %zd %c, handled %d\n", with, byte, g_handled.load());
  errno = 0;
  const int refused = own<int(int)>("close")(-1);
  std::printf("error: %d, %s\n", refused, std::strerror(errno));
  return 0;
}

int g_frames = 0;
bool g_saw_main = false;

void look(int) {
  void* frames[64];
  g_frames = backtrace(frames, 64);
  for (int i = 0; i < g_frames; ++i) {
    Dl_info info = {};
    g_saw_main = g_saw_main || (dladdr(frames[i], &info) != 0 && info.dli_sname != nullptr &&
                                std::strcmp(info.dli_sname, "__libc_start_main") == 0);
  }
}

int looked_through() {
  void* warm[4];
  backtrace(warm, 4);
  handle(SIGALRM, look, 0);
  alarm_in(20'000);
  const timespec moment = {0, 200'000'000};
  own<int(const timespec*, timespec*)>("nanosleep")(&moment, nullptr);
  std::printf("to the start: %s\n", g_saw_main ? "yes" : "no");
  return 0;
}

int status_of(pid_t pid) {
  int status = 0;
  waitpid(pid, &status, 0);
  return WEXITSTATUS(status);
}

constexpr const char* kTrue[] = {"/bin/true", nullptr};

int spawned() {
  pid_t pid = 0;
  posix_spawn(&pid, kTrue[0], nullptr, nullptr, const_cast<char* const*>(kTrue), environ);
  return status_of(pid);
}

int vforked() {
  const pid_t pid = vfork();
  if (pid == 0) {
    execv(kTrue[0], const_cast<char* const*>(kTrue));
    _exit(9);
  }
  return status_of(pid);
}

int forked() {
  const pid_t pid = fork();
  if (pid == 0) {
    for (int i = 0; i < 100; ++i) {
      own<pid_t()>("getppid")();
    }
    _exit(3);
  }
  return status_of(pid);
}

// A program's own fork.
int forked_by_number() {
  const long pid = own<long(long, ...)>("syscall")(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) {
    own<void(int)>("_exit")(4);
  }
  return status_of(static_cast<pid_t>(pid));
}

int on_own_stack(void* number) {
  return own<pid_t()>("getppid")() > 0 ? *static_cast<int*>(number) : 1;
}

int cloned() {
  static char stack[65536];
  int number = 5;
  return status_of(clone(on_own_stack, stack + sizeof(stack), SIGCHLD, &number));
}

int children() {
  for (int round = 0; round < 20; ++round) {
    for (int (*make)() : {spawned, vforked, forked, forked_by_number, cloned}) {
      std::printf("%d ", make());
      std::fflush(stdout);
    }
    std::printf("%d\n", std::system("exit 7") >> 8);
  }
  return 0;
}

int threads() {
  std::vector<std::thread> all;
  all.reserve(8);
  for (int i = 0; i < 8; ++i) {
    all.emplace_back([] {
      auto* const getppid_own = own<pid_t()>("getppid");
      for (int n = 0; n < 10'000; ++n) {
        getppid_own();
      }
    });
  }
  for (std::thread& thread : all) {
    thread.join();
  }
  std::printf("called\n");
  return 0;
}

int g_rounds = 1;

// What strace is asked about as well: a round of calls, among them some that libc makes of itself.
int plain_calls() {
  char bytes[100] = {};
  int ends[2];
  (void)!pipe(ends);
  for (int i = 0; i < g_rounds; ++i) {
    (void)!write(ends[1], bytes, sizeof(bytes));
    (void)!read(ends[0], bytes, sizeof(bytes));
    const int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(file);
    (void)!access("/nonexistent", F_OK);
    pollfd wait = {ends[0], POLLIN, 0};
    poll(&wait, 1, 0);
    sched_yield();
    std::FILE* stream = std::fopen("/proc/self/comm", "r");
    (void)!std::fgets(bytes, sizeof(bytes), stream);
    std::fclose(stream);
    void* page = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page, 4096);
  }
  std::printf("done\n");
  return 0;
}

struct Word {
  const char* name;
  int (*run)();
};
constexpr Word kWords[] = {
    {"changed", changed},   {"registers", registers},     {"cancelled", cancelled},
    {"jumps", jumps},       {"interrupted", interrupted}, {"looked_through", looked_through},
    {"children", children}, {"threads", threads},         {"plain_calls", plain_calls},
};

}  // namespace

int main(int count, char** words) {
  for (const Word& word : kWords) {
    if (count >= 2 && std::strcmp(word.name, words[1]) == 0) {
      g_rounds = count == 3 ? std::atoi(words[2]) : g_rounds;
      return word.run();
    }
  }
  std::fprintf(stderr, "exact: no such word\n");
  return 2;
}
