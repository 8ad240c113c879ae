// Pointers that only the kernel may judge: each call must answer EFAULT (or what it answers), never
// crash. Prints one line for each; must be the same with the library.
//
//   bad_pointers PORT    PORT of a server on loopback: connected sockets are looked at more closely
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "opaque.h"

#define SHOW(expression)                                                      \
  do {                                                                        \
    errno = 0;                                                                \
    const long result_ = (long)(expression);                                  \
    printf("%s: %s -> %ld errno %d\n", g_where, #expression, result_, errno); \
    fflush(stdout);                                                           \
  } while (0)

static const char* g_where = "";
static void* g_bad[3];  // unmapped near zero, unmapped page in the middle, not canonical

static void transfers(int fd, void* bad) {
  struct iovec inner = {bad, 100};
  struct msghdr outer = {.msg_iov = bad, .msg_iovlen = 2};
  struct msghdr whole = {.msg_iov = &inner, .msg_iovlen = 1};
  struct mmsghdr many = {.msg_hdr = whole};
  SHOW(write(fd, bad, 100));
  SHOW(write(fd, bad, 8));
  SHOW(writev(fd, bad, 1));
  SHOW(writev(fd, &inner, 1));
  SHOW(pwrite(fd, bad, 100, 0));
  SHOW(pwritev(fd, bad, 1, 0));
  SHOW(send(fd, bad, 100, MSG_NOSIGNAL));
  SHOW(sendto(fd, bad, 100, MSG_NOSIGNAL, NULL, 0));
  SHOW(sendmsg(fd, bad, MSG_NOSIGNAL));
  SHOW(sendmsg(fd, &outer, MSG_NOSIGNAL));
  SHOW(sendmsg(fd, &whole, MSG_NOSIGNAL));
  SHOW(sendmmsg(fd, bad, 1, MSG_NOSIGNAL));
  SHOW(sendmmsg(fd, &many, 1, MSG_NOSIGNAL));
}

static void receives(int fd, void* bad) {
  struct iovec inner = {bad, 10};
  struct msghdr outer = {.msg_iov = bad, .msg_iovlen = 2};
  struct msghdr whole = {.msg_iov = &inner, .msg_iovlen = 1};
  SHOW(read(fd, bad, 10));
  SHOW(readv(fd, bad, 1));
  SHOW(readv(fd, &inner, 1));
  SHOW(pread(fd, bad, 10, 0));
  SHOW(preadv(fd, bad, 1, 0));
  SHOW(recv(fd, bad, 10, MSG_DONTWAIT));
  SHOW(recvfrom(fd, bad, 10, MSG_DONTWAIT, NULL, NULL));
  SHOW(recvmsg(fd, bad, MSG_DONTWAIT));
  SHOW(recvmsg(fd, &outer, MSG_DONTWAIT));
  SHOW(recvmsg(fd, &whole, MSG_DONTWAIT));
  SHOW(recvmmsg(fd, bad, 1, MSG_DONTWAIT, NULL));
}

static void others(int fd, void* bad) {
  SHOW(open(bad, O_RDONLY));
  SHOW(openat(AT_FDCWD, bad, O_RDONLY));
  SHOW(creat(bad, 0600));
  SHOW(connect(fd, bad, 16));
  SHOW(accept(fd, bad, bad));
  SHOW(poll(bad, 1, 0));
  SHOW(select(1, bad, NULL, NULL, NULL));
  SHOW(epoll_ctl(fd, EPOLL_CTL_ADD, 0, bad));
  SHOW(epoll_wait(fd, bad, 1, 0));
  SHOW(nanosleep(bad, NULL));
  SHOW(clock_nanosleep(CLOCK_MONOTONIC, 0, bad, NULL));
}

static int connected(uint16_t port) {
  const struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, (const struct sockaddr*)&address, sizeof(address)) != 0) {
    perror("connect");
    exit(1);
  }
  return fd;
}

int main(int count, char** arguments) {
  const uint16_t port = count > 1 ? (uint16_t)atoi(arguments[1]) : 0;
  char* page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  g_bad[0] = opaque((void*)8);
  g_bad[1] = opaque(page + 4000);
  g_bad[2] = opaque((void*)(uintptr_t)0xDEADBEEFDEADBEEF);
  int ends[2];
  int pair[2];
  if (pipe(ends) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 ||
      write(ends[1], "0123456789", 10) != 10 || write(pair[1], "0123456789", 10) != 10) {
    return 1;
  }
  for (int i = 0; i < 3; ++i) {
    g_where = "pipe out";
    transfers(ends[1], g_bad[i]);
    g_where = "pipe in";
    receives(ends[0], g_bad[i]);
    g_where = "pair";
    transfers(pair[0], g_bad[i]);
    receives(pair[0], g_bad[i]);
    g_where = "others";
    others(pair[0], g_bad[i]);
    // Every first sending on a connection of its own: that is when it is looked at.
    g_where = "fresh connection";
    struct iovec inner = {g_bad[i], 100};
    struct iovec good[2] = {{(void*)"GET /2018-06-01/runtime/", 24}, {g_bad[i], 100}};
    struct msghdr outer = {.msg_iov = g_bad[i], .msg_iovlen = 2};
    struct msghdr whole = {.msg_iov = &inner, .msg_iovlen = 1};
    SHOW(write(connected(port), g_bad[i], 100));
    SHOW(send(connected(port), g_bad[i], 1, 0));
    SHOW(writev(connected(port), g_bad[i], 2));
    SHOW(writev(connected(port), &inner, 1));
    SHOW(writev(connected(port), good, 2));
    SHOW(sendmsg(connected(port), g_bad[i], 0));
    SHOW(sendmsg(connected(port), &outer, 0));
    SHOW(sendmsg(connected(port), &whole, 0));
    g_where = "conversation";
    const int fd = connected(port);
    SHOW(write(fd, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n", 52));
    transfers(fd, g_bad[i]);
    receives(fd, g_bad[i]);
    SHOW(recv(fd, NULL, 20, MSG_TRUNC));
    SHOW(recv(fd, NULL, 20, MSG_TRUNC));
  }
  return 0;
}
