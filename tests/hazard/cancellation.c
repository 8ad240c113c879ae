// Cancels a thread that is blocked in each wrapped cancellation point: clean-up handlers must run,
// the thread must end as cancelled, and what the thread does afterwards (in a handler) must work.
// Prints one line for each call; must be the same with the library.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "opaque.h"

static int g_pipe[2];
static int g_full[2];     // a socket pair whose buffers are full
static int g_silent[2];   // a socket pair on which nothing comes
static int g_server;      // a listening socket that nobody connects to
static int g_backlogged;  // a listening socket with a full backlog
static int g_epoll;
static atomic_int g_tid;
static char g_data[4096];
static struct iovec g_piece = {g_data, sizeof(g_data)};
static const struct timespec kLong = {1000, 0};

static void do_read(void) { (void)!read(g_pipe[0], g_data, 1); }
static void do_readv(void) { (void)!readv(g_pipe[0], &g_piece, 1); }
static void do_write(void) { (void)!write(g_full[0], g_data, sizeof(g_data)); }
static void do_writev(void) { (void)!writev(g_full[0], &g_piece, 1); }
static void do_send(void) { send(g_full[0], g_data, sizeof(g_data), 0); }
static void do_sendto(void) { sendto(g_full[0], g_data, sizeof(g_data), 0, NULL, 0); }
static void do_sendmsg(void) {
  struct msghdr message = {.msg_iov = &g_piece, .msg_iovlen = 1};
  sendmsg(g_full[0], &message, 0);
}
static void do_sendmmsg(void) {
  struct mmsghdr message = {.msg_hdr = {.msg_iov = &g_piece, .msg_iovlen = 1}};
  sendmmsg(g_full[0], &message, 1, 0);
}
static void do_recv(void) { recv(g_silent[0], g_data, 1, 0); }
static void do_recvfrom(void) { recvfrom(g_silent[0], g_data, 1, 0, NULL, NULL); }
static void do_recvmsg(void) {
  struct msghdr message = {.msg_iov = &g_piece, .msg_iovlen = 1};
  (void)recvmsg(g_silent[0], &message, 0);
}
static void do_recvmmsg(void) {
  struct mmsghdr message = {.msg_hdr = {.msg_iov = &g_piece, .msg_iovlen = 1}};
  recvmmsg(g_silent[0], &message, 1, 0, NULL);
}
static void do_accept(void) { (void)accept(g_server, NULL, NULL); }
static void do_accept4(void) { (void)accept4(g_server, NULL, NULL, 0); }
static void do_connect(void) {
  struct sockaddr_storage address = {0};
  socklen_t size = sizeof(address);
  getsockname(g_backlogged, (struct sockaddr*)&address, &size);
  (void)connect(socket(address.ss_family, SOCK_STREAM, 0), (struct sockaddr*)&address, size);
}
static void do_poll(void) {
  struct pollfd one = {g_pipe[0], POLLIN, 0};
  poll(&one, 1, -1);
}
static void do_ppoll(void) {
  struct pollfd one = {g_pipe[0], POLLIN, 0};
  ppoll(&one, 1, NULL, NULL);
}
static void do_select(void) { select(0, NULL, NULL, NULL, NULL); }
static void do_pselect(void) { pselect(0, NULL, NULL, NULL, NULL, NULL); }
static void do_epoll_wait(void) {
  struct epoll_event event;
  epoll_wait(g_epoll, &event, 1, -1);
}
static void do_epoll_pwait(void) {
  struct epoll_event event;
  epoll_pwait(g_epoll, &event, 1, -1, NULL);
}
static void do_epoll_pwait2(void) {
  struct epoll_event event;
  epoll_pwait2(g_epoll, &event, 1, NULL, NULL);
}
static void do_nanosleep(void) { nanosleep(&kLong, NULL); }
static void do_clock_nanosleep(void) { clock_nanosleep(CLOCK_MONOTONIC, 0, &kLong, NULL); }
static void do_usleep(void) { usleep(999999); }
static void do_sleep(void) { sleep(1000); }
static const char* g_fifo;  // nobody writes to it, so opening it waits
static void do_open(void) { close(open(g_fifo, O_RDONLY)); }
static void do_openat(void) { close(openat(AT_FDCWD, g_fifo, O_RDONLY)); }

static const struct {
  const char* name;
  void (*block)(void);
} kPoints[] = {
#define POINT(name) \
  { #name, do_##name }
    POINT(read),        POINT(readv),        POINT(write),     POINT(writev),
    POINT(send),        POINT(sendto),       POINT(sendmsg),   POINT(sendmmsg),
    POINT(recv),        POINT(recvfrom),     POINT(recvmsg),   POINT(recvmmsg),
    POINT(accept),      POINT(accept4),      POINT(connect),   POINT(poll),
    POINT(ppoll),       POINT(select),       POINT(pselect),   POINT(epoll_wait),
    POINT(epoll_pwait), POINT(epoll_pwait2), POINT(nanosleep), POINT(clock_nanosleep),
    POINT(usleep),      POINT(sleep),        POINT(open),      POINT(openat),
};

// Runs while the stack is unwound through the hook: hooked calls are made from here too.
static void clean_up(void* argument) {
  char byte;
  const int zero = open("/dev/zero", O_RDONLY);
  const int fine = read(zero, &byte, 1) == 1 && close(zero) == 0;
  free(opaque(malloc(100)));
  *(int*)argument += fine ? 1 : 100;
}

struct job {
  void (*block)(void);
  int cleaned;
};

static void* run(void* argument) {
  struct job* job = argument;
  pthread_cleanup_push(clean_up, &job->cleaned);
  pthread_cleanup_push(clean_up, &job->cleaned);
  atomic_store(&g_tid, gettid());
  job->block();
  pthread_cleanup_pop(0);
  pthread_cleanup_pop(0);
  return NULL;
}

// Blocked: the kernel says that the thread sleeps.
static void wait_until_blocked(void) {
  char path[64];
  char text[512];
  while (atomic_load(&g_tid) == 0) {
    sched_yield();
  }
  snprintf(path, sizeof(path), "/proc/self/task/%d/stat", atomic_load(&g_tid));
  for (;;) {
    const int fd = open(path, O_RDONLY);
    const ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char* state = strrchr(text, ')');
    if (state != NULL && state[2] == 'S') {
      return;
    }
    usleep(200);
  }
}

static void prepare(void) {
  static const char zeros[65536];
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof(address);
  if (pipe(g_pipe) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, g_full) != 0 ||
      socketpair(AF_UNIX, SOCK_STREAM, 0, g_silent) != 0) {
    exit(1);
  }
  while (send(g_full[0], zeros, sizeof(zeros), MSG_DONTWAIT) > 0) {
  }
  while (send(g_full[0], zeros, 1, MSG_DONTWAIT) > 0) {
  }
  g_server = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(g_server, (struct sockaddr*)&address, size) != 0 || listen(g_server, 1) != 0) {
    exit(1);
  }
  g_backlogged = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(g_backlogged, (struct sockaddr*)&address, size) != 0 || listen(g_backlogged, 0) != 0) {
    exit(1);
  }
  getsockname(g_backlogged, (struct sockaddr*)&address, &size);
  for (int i = 0; i < 4; ++i) {
    (void)connect(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), (struct sockaddr*)&address,
                  size);
  }
  g_epoll = epoll_create1(0);
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fputs("cancellation: one argument: a FIFO that nobody opens\n", stderr);
    return 2;
  }
  g_fifo = argv[1];
  prepare();
  for (size_t i = 0; i < sizeof(kPoints) / sizeof(kPoints[0]); ++i) {
    struct job job = {kPoints[i].block, 0};
    pthread_t thread;
    void* result = NULL;
    atomic_store(&g_tid, 0);
    pthread_create(&thread, NULL, run, &job);
    wait_until_blocked();
    pthread_cancel(thread);
    pthread_join(thread, &result);
    printf("%s: %s, %d cleaned up\n", kPoints[i].name,
           result == PTHREAD_CANCELED ? "cancelled" : "returned", job.cleaned);
    fflush(stdout);
  }
  return 0;
}
