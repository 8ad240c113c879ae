// Ways of never answering, and of dying, for the custom runtime in client.c, which calls
// handle_event() with each event: {"way":"NAME"}.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace {

int listener(int backlog, sockaddr_in& address) {
  const int server = socket(AF_INET, SOCK_STREAM, 0);
  address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bind(server, reinterpret_cast<sockaddr*>(&address), size);
  listen(server, backlog);
  getsockname(server, reinterpret_cast<sockaddr*>(&address), &size);
  return server;
}

void hang_in_connect() {
  sockaddr_in address;
  listener(0, address);
  for (int i = 0; i < 4; ++i) {
    const int filler = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    connect(filler, reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  usleep(50'000);
  connect(socket(AF_INET, SOCK_STREAM, 0), reinterpret_cast<sockaddr*>(&address), sizeof address);
}

void hang_in_recv() {
  sockaddr_in address;
  listener(5, address);
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address);
  char byte = 0;
  recv(client, &byte, 1, 0);
}

pthread_mutex_t g_mutex = PTHREAD_MUTEX_INITIALIZER;

void* hold_the_mutex(void*) {
  pthread_mutex_lock(&g_mutex);
  sleep(600);
  return nullptr;
}

void hang_in_a_mutex() {
  pthread_t thread;
  pthread_create(&thread, nullptr, hold_the_mutex, nullptr);
  usleep(50'000);
  pthread_mutex_lock(&g_mutex);
}

void hang_in_waitpid() {
  const pid_t child = fork();
  if (child == 0) {
    execlp("sleep", "sleep", "600", static_cast<char*>(nullptr));
    _exit(1);
  }
  waitpid(child, nullptr, 0);
}

void hang_busy() {
  volatile unsigned long count = 0;
  while (true) {
    count = count + 1;
  }
}

int recurse(volatile int depth) {
  volatile char room[1024];
  room[0] = static_cast<char>(depth);
  return depth == -1 ? 0 : recurse(depth + 1) + room[0];
}

void touch_beyond_the_file() {
  char path[] = "/tmp/truncated-XXXXXX";
  const int file = mkstemp(path);
  if (ftruncate(file, 8192) == 0) {
    auto* bytes = static_cast<volatile char*>(
        mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
    if (ftruncate(file, 0) == 0) {
      bytes[4096] = 1;
    }
  }
}

void free_twice() {
  char* volatile block = static_cast<char*>(malloc(24));
  free(block);
  free(block);
}

void grow_without_end() {
  while (true) {
    void* block = malloc(std::size_t{1} << 20);
    memset(block, 1, std::size_t{1} << 20);
  }
}

volatile int* volatile g_nothing = nullptr;

}  // namespace

extern "C" void handle_event(const char* event) {
  const auto is = [event](const char* way) { return strstr(event, way) != nullptr; };
  if (is("\"connect\"")) {
    hang_in_connect();
  } else if (is("\"recv\"")) {
    hang_in_recv();
  } else if (is("\"dns\"")) {
    addrinfo* found = nullptr;
    getaddrinfo("db.internal.example", "5432", nullptr, &found);
  } else if (is("\"mutex\"")) {
    hang_in_a_mutex();
  } else if (is("\"waitpid\"")) {
    hang_in_waitpid();
  } else if (is("\"busy\"")) {
    hang_busy();
  } else if (is("\"sleep\"")) {
    sleep(600);
  } else if (is("\"null\"")) {
    *g_nothing = 1;
  } else if (is("\"recursion\"")) {
    recurse(0);
  } else if (is("\"bus\"")) {
    touch_beyond_the_file();
  } else if (is("\"double-free\"")) {
    free_twice();
  } else if (is("\"abort\"")) {
    abort();
  } else if (is("\"throw\"")) {
    throw std::runtime_error("the message is the function's and is not recorded");
  } else if (is("\"_exit\"")) {
    _exit(3);
  } else if (is("\"grow\"")) {
    grow_without_end();
  }
}
