/* The function that `layer/verify` invokes on provided.*, in C, linked with the tests' client of
 * the Runtime API (tests/integration/handlers/client.c), which answers with the event itself;
 * verify_function.py says what each scenario does. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  kWrites = 37,
  kPiece = 100,
  kSent = 1000,
  kReceived = 2000,
  kSleepMs = 50,
  kKeptBytes = 100000,
  kMegabyte = 1000000
};

static long number;
static void* volatile kept;
static char zeros[kReceived];

static void tell(const char* scenario, const char* truth) {
  char line[512];
  const int n =
      snprintf(line, sizeof line, "lamprey-verify {\"number\":%ld,\"scenario\":\"%s\"%s%s}\n",
               number, scenario, truth[0] != '\0' ? "," : "", truth);
  if (write(1, line, (size_t)n) != n) {
    _exit(4);
  }
}

static int listen_here(struct sockaddr_in* address) {
  socklen_t size = sizeof *address;
  const int server = socket(AF_INET, SOCK_STREAM, 0);
  memset(address, 0, sizeof *address);
  address->sin_family = AF_INET;
  address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(server, (struct sockaddr*)address, size) != 0 || listen(server, 1) != 0 ||
      getsockname(server, (struct sockaddr*)address, &size) != 0) {
    _exit(5);
  }
  return server;
}

static int connect_to_it(const struct sockaddr_in* address) {
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(client, (const struct sockaddr*)address, sizeof *address) != 0) {
    _exit(6);
  }
  return client;
}

static void receive_all(int from, size_t size) {
  char piece[kReceived];
  for (size_t got = 0; got < size;) {
    const ssize_t n = recv(from, piece, size - got, 0);
    if (n <= 0) {
      _exit(7);
    }
    got += (size_t)n;
  }
}

static void healthy(void) {
  char path[64];
  char truth[256];
  struct sockaddr_in address;
  const struct timespec pause = {0, kSleepMs * 1000000L};
  snprintf(path, sizeof path, "/tmp/verify-%ld", number);
  const int file = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
  for (int i = 0; i < kWrites; ++i) {
    if (write(file, zeros, kPiece) != kPiece) {
      _exit(8);
    }
  }
  close(file);
  unlink(path);
  const int server = listen_here(&address);
  const int client = connect_to_it(&address);
  const int answering = accept(server, NULL, NULL);
  if (send(client, zeros, kSent, 0) != kSent) {
    _exit(9);
  }
  receive_all(answering, kSent);
  if (send(answering, zeros, kReceived, 0) != kReceived) {
    _exit(9);
  }
  receive_all(client, kReceived);
  close(client);
  close(answering);
  close(server);
  nanosleep(&pause, NULL);
  snprintf(truth, sizeof truth,
           "\"slept_ms\":%d,\"file\":{\"path\":\"%s\",\"writes\":%d,\"bytes\":%d},"
           "\"peer\":{\"port\":%d,\"sent\":%d,\"received\":%d}",
           kSleepMs, path, kWrites, kWrites * kPiece, ntohs(address.sin_port), kSent, kReceived);
  tell("healthy", truth);
}

static void silent_host(void) {
  struct sockaddr_in address;
  char truth[32];
  listen_here(&address);
  const int client = connect_to_it(&address);
  if (send(client, zeros, 1, 0) != 1) {
    _exit(9);
  }
  snprintf(truth, sizeof truth, "\"port\":%d", ntohs(address.sin_port));
  tell("silent_host", truth);
  receive_all(client, 1);
}

static void leak(void) {
  char truth[32];
  kept = malloc(kKeptBytes);
  snprintf(truth, sizeof truth, "\"kept_bytes\":%d", kKeptBytes);
  tell("leak", truth);
}

static void out_of_memory(void) {
  for (;;) {
    char* block = malloc(kMegabyte);
    memset(block, 1, kMegabyte);
    kept = block;
  }
}

__attribute__((constructor)) static void init(void) {
  const char* how = getenv("VERIFY_INIT");
  if (how != NULL && strcmp(how, "fail") == 0) {
    _exit(3);
  }
}

static int is(const char* event, const char* scenario) {
  char quoted[64];
  snprintf(quoted, sizeof quoted, "\"%s\"", scenario);
  return strstr(event, quoted) != NULL;
}

void handle_event(const char* event);
void handle_event(const char* event) {
  const char* at = strstr(event, "\"number\":");
  number = at != NULL ? strtol(at + strlen("\"number\":"), NULL, 10) : 0;
  if (is(event, "healthy")) {
    healthy();
  } else if (is(event, "leak")) {
    leak();
  } else if (is(event, "silent_host")) {
    silent_host();
  } else if (is(event, "busy_loop")) {
    tell("busy_loop", "");
    for (volatile long i = 0;; ++i) {
    }
  } else if (is(event, "out_of_memory")) {
    tell("out_of_memory", "");
    out_of_memory();
  } else if (is(event, "exit")) {
    tell("exit", "");
    _exit(3);
  } else if (is(event, "crash")) {
    tell("crash", "");
    *(volatile int*)(number - number) = 1;
  }
}
