/* One thread closes connections while the library looks at a request that another has sent on them.
 * To hold the sender there, the end of its request stands in a page that cannot be read any more
 * when send() returns (SIGIO says at that moment that the bytes are at the other end): whoever
 * reads it waits in a handler until the connection is closed. At last asks for work on a new
 * connection, which is to be seen. `closing ROUNDS` prints how often the close came in between. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { kPage = 4096 };
enum { kNothing, kHide, kClose, kEnd };

static const char kNext[] =
    "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n\r\n";
static const char kWork[] =
    "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: a\r\nContent-Length: 2\r\n\r\n{}";

static char* g_pages;
static volatile int g_near = -1;
static volatile int g_between;
static volatile int g_wanted; /* what the other thread is to do */

static void check(int good, const char* what) {
  if (!good) {
    perror(what);
    exit(1);
  }
}

/* Handlers call nothing: they may have interrupted the library. */
static void have_done(int what) {
  g_wanted = what;
  while (g_wanted != kNothing) {
  }
}

static void bytes_are_there(int number) {
  (void)number;
  if (g_near >= 0 && g_wanted == kNothing) { /* the close says something there as well */
    have_done(kHide);
  }
}

static void cannot_be_read(int number) {
  (void)number;
  have_done(kClose);
}

static void* close_for_others(void* unused) {
  while (g_wanted != kEnd) {
    if (g_wanted == kHide) {
      check(mprotect(g_pages + kPage, kPage, PROT_NONE) == 0, "mprotect");
      g_wanted = kNothing;
    } else if (g_wanted == kClose) {
      int fd = g_near;
      g_near = -1;
      close(fd);
      ++g_between;
      check(mprotect(g_pages + kPage, kPage, PROT_READ | PROT_WRITE) == 0, "mprotect");
      g_wanted = kNothing;
    } else {
      sched_yield();
    }
  }
  return unused;
}

static void race(void) {
  int pair[2];
  struct f_owner_ex owner = {F_OWNER_TID, gettid()};
  size_t size = sizeof(kNext) - 1;
  char* request = g_pages + kPage - size + 1;
  check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
  check(fcntl(pair[1], F_SETOWN_EX, &owner) == 0, "F_SETOWN_EX");
  check(fcntl(pair[1], F_SETFL, O_ASYNC) == 0, "O_ASYNC");
  memcpy(request, kNext, size);
  g_near = pair[0];
  check(send(pair[0], request, size, 0) == (ssize_t)size, "send");
  check(*(volatile char*)(request + size - 1) == '\n', "the request"); /* where nobody looked */
  /* The number stays taken, so that no connection gets that of one before it. */
  check(open("/dev/null", O_RDONLY) >= 0, "open");
  close(pair[1]);
}

int main(int argc, char** argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 100;
  int pair[2];
  pthread_t closer;
  struct sigaction action;
  memset(&action, 0, sizeof(action));
  action.sa_handler = bytes_are_there;
  check(sigaction(SIGIO, &action, NULL) == 0, "sigaction");
  action.sa_handler = cannot_be_read;
  check(sigaction(SIGSEGV, &action, NULL) == 0, "sigaction");
  g_pages =
      mmap(NULL, (size_t)2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(g_pages != MAP_FAILED, "mmap");
  check(pthread_create(&closer, NULL, close_for_others, NULL) == 0, "pthread_create");
  for (int i = 0; i < rounds; ++i) {
    race();
  }
  g_wanted = kEnd;
  pthread_join(closer, NULL);
  check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
  check(send(pair[0], kNext, sizeof(kNext) - 1, 0) == (ssize_t)sizeof(kNext) - 1, "send");
  check(send(pair[1], kWork, sizeof(kWork) - 1, 0) == (ssize_t)sizeof(kWork) - 1, "send");
  check(recv(pair[0], g_pages, kPage, 0) == (ssize_t)sizeof(kWork) - 1, "recv");
  printf("%d\n", g_between);
  return 0;
}
