// A function that fills its recording, beside the runtime in client.c: the first event uses up
// every table (stacks, slots, rows, hosts, directories, files, modules), {"way":"hang"} never
// returns. Each thread stays in a call of its own.
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

namespace {

constexpr int kDepth = 12;  // 2 ^ 12 stacks: twice as many as there is room for
constexpr int kThreads = 260;
constexpr int kHosts = 60;
constexpr int kDirectories = 80;
constexpr int kFilesEach = 4;
constexpr int kModules = 260;
constexpr std::size_t kBlock =
    300'000;  // several times the mean distance of samples; never touched

// Which of two calls is made at each level is a bit of `path`: another stack for each path.
__attribute__((noinline)) void* descend(unsigned path, int level) {
  if (level == 0) {
    void* volatile block = malloc(kBlock);
    return block;
  }
  void* block = nullptr;
  if ((path & 1U) != 0) {
    block = descend(path >> 1U, level - 1);
    asm volatile("" ::: "memory");  // no tail call
  } else {
    block = descend(path >> 1U, level - 1);
    asm volatile("nop" ::: "memory");
  }
  return block;
}

void in_files() {
  char path[128];
  for (int directory = 0; directory < kDirectories; ++directory) {
    std::snprintf(path, sizeof path, "/tmp/full-%d", directory);
    mkdir(path, 0700);
    for (int file = 0; file < kFilesEach; ++file) {
      std::snprintf(path, sizeof path, "/tmp/full-%d/%d", directory, file);
      const int opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
      [[maybe_unused]] const ssize_t wrote = write(opened, path, sizeof path);
      close(opened);
    }
  }
}

void in_hosts() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  socklen_t size = sizeof address;
  bind(listener, reinterpret_cast<sockaddr*>(&address), size);
  listen(listener, kHosts);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  for (std::uint32_t host = 0; host < kHosts; ++host) {
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + host);
    const int asked = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    connect(asked, reinterpret_cast<sockaddr*>(&address), sizeof address);
    send(asked, "x", 1, 0);
    close(asked);
  }
}

__attribute__((noinline)) void allocate() {
  for (int i = 0; i < 4; ++i) {  // one of them is sampled
    void* volatile block = malloc(kBlock);
    static_cast<void>(block);
  }
}

// Copies of one library, each with a name and an address of its own, that call back: a module is
// recorded when a stack goes through it.
void in_modules() {
  const char* library = getenv("FULL_LIBRARY");
  for (int i = 0; library != nullptr && i < kModules; ++i) {
    char path[64];
    std::snprintf(path, sizeof path, "/tmp/full-module-%d.so", i);
    std::ofstream(path, std::ios::binary) << std::ifstream(library, std::ios::binary).rdbuf();
    void* loaded = dlopen(path, RTLD_NOW);
    using Through = int (*)(void (*)());
    if (loaded != nullptr) {
      reinterpret_cast<Through>(dlsym(loaded, "through"))(allocate);
    }
  }
}

// Seven calls, so seven rows a thread; then in the last for good.
void in_thread() {
  char byte = 0;
  struct stat status {};
  const int file = open("/tmp", O_RDONLY | O_CLOEXEC);
  fstat(file, &status);
  stat("/tmp", &status);
  access("/tmp", R_OK);
  lseek(file, 0, SEEK_SET);
  close(file);
  usleep(1);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) == 0) {
    [[maybe_unused]] const ssize_t got = read(ends[0], &byte, 1);
  }
}

void fill() {
  in_modules();
  for (unsigned path = 0; path < 1U << kDepth; ++path) {
    descend(path, kDepth);
  }
  in_files();
  in_hosts();
  for (int i = 0; i < kThreads; ++i) {
    std::thread(in_thread).detach();
  }
  usleep(100'000);
}

}  // namespace

extern "C" void handle_event(const char* event) {
  static bool filled = false;
  if (!filled) {
    fill();
    filled = true;
  }
  if (std::strstr(event, "hang") != nullptr) {
    pause();
  }
}
