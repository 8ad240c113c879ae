// An executor with the shape of Rust's tokio, for the custom runtime in client.c: who handles a
// request parks on a futex word, another thread turns the loop (an epoll; it registers with a copy
// of it, as mio does), and a third does what blocks.
//
//   {"way":"timer"}    the loop's timer, 0.2 s       {"way":"timer_long"}   10 s
//   {"way":"blocks"}   the third thread sleeps 0.2 s {"way":"answer"}       a host answers after
//   0.2 s
//   {"way":"silent"}   a host that never answers     {"way":"computes"}     the third thread, 0.2 s
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>

namespace {

std::atomic<int> g_word{0};
std::atomic<long> g_due_ms{0};  // when the loop's timer is due; 0: there is none
std::atomic<int> g_blocking_ms{0};
std::atomic<bool> g_computes{false};
int g_loop = -1;
int g_copy = -1;
int g_waker = -1;
int g_work[2];

long now_ms() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

void park() {
  while (g_word.exchange(0) == 0) {
    syscall(SYS_futex, &g_word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, nullptr, nullptr, 0);
  }
}

void unpark() {
  g_word = 1;
  syscall(SYS_futex, &g_word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, nullptr, nullptr, 0);
}

void* turn_the_loop(void*) {
  while (true) {
    epoll_event event;
    const long due = g_due_ms;
    const long left = due - now_ms();
    const int ready =
        epoll_wait(g_loop, &event, 1, due == 0 ? -1 : static_cast<int>(left > 0 ? left : 0));
    if (ready == 0) {
      g_due_ms = 0;
      unpark();
    } else if (ready == 1 && event.data.u64 == 0) {
      std::uint64_t count = 0;
      read(g_waker, &count, sizeof count);
    } else if (ready == 1) {
      char bytes[64];
      recv(static_cast<int>(event.data.u64) - 1000, bytes, sizeof bytes, 0);
      unpark();
    }
  }
}

void* block(void*) {
  char byte = 0;
  while (read(g_work[0], &byte, 1) == 1) {
    const long until = now_ms() + g_blocking_ms;
    if (!g_computes) {
      const timespec pause = {g_blocking_ms / 1000, (g_blocking_ms % 1000) * 1'000'000L};
      nanosleep(&pause, nullptr);
    }
    while (g_computes && now_ms() < until) {
    }
    unpark();
  }
  return nullptr;
}

void wake_the_loop() {
  const std::uint64_t one = 1;
  write(g_waker, &one, sizeof one);
}

void* answer_late(void* listener) {
  const int server = static_cast<int>(reinterpret_cast<std::intptr_t>(listener));
  const int peer = accept(server, nullptr, nullptr);
  char bytes[64];
  recv(peer, bytes, sizeof bytes, 0);
  const timespec pause = {0, 200'000'000};
  nanosleep(&pause, nullptr);
  send(peer, "answer", 6, 0);
  return nullptr;
}

void ask(bool answers) {
  const int server = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bind(server, reinterpret_cast<sockaddr*>(&address), size);
  listen(server, 5);
  getsockname(server, reinterpret_cast<sockaddr*>(&address), &size);
  if (answers) {
    pthread_t thread;
    pthread_create(&thread, nullptr, answer_late,
                   reinterpret_cast<void*>(static_cast<std::intptr_t>(server)));
  }
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  connect(client, reinterpret_cast<sockaddr*>(&address), size);
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = static_cast<std::uint64_t>(client) + 1000;
  epoll_ctl(g_copy, EPOLL_CTL_ADD, client, &event);
  send(client, "question", 8, 0);
}

void start() {
  g_loop = epoll_create1(EPOLL_CLOEXEC);
  g_copy = fcntl(g_loop, F_DUPFD_CLOEXEC, 3);
  g_waker = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLET;
  epoll_ctl(g_copy, EPOLL_CTL_ADD, g_waker, &event);
  pipe(g_work);
  pthread_t thread;
  pthread_create(&thread, nullptr, turn_the_loop, nullptr);
  pthread_create(&thread, nullptr, block, nullptr);
}

}  // namespace

extern "C" void handle_event(const char* event) {
  static bool started = false;
  if (!started) {
    started = true;
    start();
  }
  const auto is = [event](const char* way) { return std::strstr(event, way) != nullptr; };
  if (is("\"timer")) {
    g_due_ms = now_ms() + (is("long") ? 10'000 : 200);
    wake_the_loop();
  } else if (is("\"blocks\"") || is("\"computes\"")) {
    g_blocking_ms = 200;
    g_computes = is("computes");
    write(g_work[1], "x", 1);
  } else if (is("\"answer\"") || is("\"silent\"")) {
    ask(is("answer"));
  } else {
    return;
  }
  park();
}
