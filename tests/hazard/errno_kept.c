// A successful hooked call leaves errno alone; a failing one sets what it sets without the library.
// Prints one line for each call; must be the same with the library.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
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

enum { kSentinel = 12345 };

#define SHOW(expression)                                              \
  do {                                                                \
    errno = kSentinel;                                                \
    const long result_ = (long)(expression);                          \
    const int after_ = errno;                                         \
    dprintf(1, "%s -> %ld errno %d\n", #expression, result_, after_); \
  } while (0)
// For results that are addresses.
#define SHOW_BLOCK(expression)                                                         \
  do {                                                                                 \
    errno = kSentinel;                                                                 \
    void* const block_ = opaque(expression);                                           \
    const int after_ = errno;                                                          \
    dprintf(1, "%s -> %s errno %d\n", #expression, block_ ? "block" : "NULL", after_); \
    g_last = block_ ? block_ : g_last;                                                 \
  } while (0)

static void* g_last;
static char g_data[64];

static void allocation(void) {
  const size_t huge = opaque_size((size_t)PTRDIFF_MAX);
  SHOW_BLOCK(malloc(opaque_size(0)));
  SHOW_BLOCK(realloc(g_last, 100));
  SHOW_BLOCK(realloc(g_last, 1000000));
  SHOW_BLOCK(realloc(g_last, huge));
  SHOW_BLOCK(reallocarray(g_last, 10, opaque_size(10)));
  SHOW_BLOCK(reallocarray(g_last, huge, opaque_size(huge)));
  SHOW((free(g_last), 0));
  SHOW((free(NULL), 0));
  SHOW((free(opaque(malloc(1 << 22))), 0));
  SHOW_BLOCK(malloc(huge));
  SHOW_BLOCK(calloc(huge, opaque_size(huge)));
  SHOW_BLOCK(calloc(opaque_size(0), 5));
  SHOW_BLOCK(aligned_alloc(64, 64));
  SHOW_BLOCK(aligned_alloc(64, huge));
  SHOW_BLOCK(memalign(64, huge));
  SHOW_BLOCK(valloc(huge));
  SHOW_BLOCK(pvalloc(huge));
  SHOW(posix_memalign(&g_last, 64, 10));
  SHOW(posix_memalign(&g_last, 64, huge));
  SHOW(posix_memalign(&g_last, opaque_size(7), 10));
  SHOW_BLOCK(realloc(opaque(malloc(10)), opaque_size(0)));
}

static void files(void) {
  struct iovec piece = {g_data, 10};
  SHOW(open("/dev/zero", O_RDONLY));
  SHOW(read(3, g_data, 10));
  SHOW(readv(3, &piece, 1));
  SHOW(pread(3, g_data, 10, 0));
  SHOW(preadv(3, &piece, 1, 0));
  SHOW(preadv2(3, &piece, 1, 0, 0));
  SHOW(dup2(3, 9));
  SHOW(dup3(3, 10, 0));
  SHOW(dup3(3, 3, 0));
  SHOW(dup2(77, 3));
  SHOW(close(9));
  SHOW(close(9));
  SHOW(close_range(10, 20, 0));
  SHOW(close_range(10, 9, 0));
  SHOW((closefrom(10), 0));
  SHOW(open("/dev/null", O_RDWR));
  SHOW(openat(AT_FDCWD, "/dev/null", O_RDWR));
  SHOW(creat("/dev/null", 0600));
  SHOW(open("/dev/null/x", O_RDWR));
  SHOW(openat(77, "x", O_RDWR));
  SHOW(creat("/nonexistent/x", 0600));
  SHOW(write(4, g_data, 10));
  SHOW(writev(4, &piece, 1));
  SHOW(pwrite(4, g_data, 10, 0));
  SHOW(pwritev(4, &piece, 1, 0));
  SHOW(pwritev2(4, &piece, 1, 0, 0));
  SHOW(read(77, g_data, 10));
  SHOW(write(77, g_data, 10));
  SHOW(readv(3, &piece, opaque_int(-1)));
  SHOW(writev(4, &piece, opaque_int(5000)));
  SHOW(pread(3, g_data, 1, -1));
  SHOW(fsync(3));
  SHOW(fdatasync(77));
}

static void sockets(void) {
  int pair[2];
  struct msghdr message = {0};
  struct mmsghdr messages[1] = {{{0}, 0}};
  socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
  SHOW(socket(AF_UNIX, SOCK_STREAM, 0));
  SHOW(socket(999, 0, 0));
  SHOW(connect(pair[0], NULL, 0));
  SHOW(connect(77, NULL, 0));
  SHOW(accept(pair[0], NULL, NULL));
  SHOW(accept4(77, NULL, NULL, 0));
  SHOW(send(pair[0], g_data, 5, 0));
  SHOW(sendto(pair[0], g_data, 5, 0, NULL, 0));
  SHOW(sendmsg(pair[0], &message, 0));
  SHOW(sendmmsg(pair[0], messages, 1, 0));
  SHOW(recv(pair[1], g_data, 5, MSG_PEEK));
  SHOW(recv(pair[1], g_data, 5, 0));
  SHOW(recvfrom(pair[1], g_data, 5, 0, NULL, NULL));
  SHOW(recvmsg(pair[1], &message, 0));
  SHOW(recvmmsg(pair[1], messages, 1, 0, NULL));
  SHOW(recv(pair[1], g_data, 5, MSG_DONTWAIT));
  SHOW(send(77, g_data, 5, 0));
  SHOW(sendmsg(77, &message, 0));
  SHOW(recvmsg(77, &message, 0));
  SHOW(sendmmsg(77, messages, 1, 0));
  SHOW(recvmmsg(77, messages, 1, 0, NULL));
}

static void waits(void) {
  const struct timespec little = {0, 1};
  const struct timespec bad = {0, -1};
  struct timespec changed = little;
  struct timeval zero = {0, 0};
  struct epoll_event event = {0};
  struct pollfd one = {0, POLLIN, 0};
  struct addrinfo* found = NULL;
  const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST};
  SHOW(poll(&one, 0, 0));
  SHOW(ppoll(&one, 0, &little, NULL));
  SHOW(ppoll(&one, 0, &bad, NULL));
  SHOW(select(0, NULL, NULL, NULL, &zero));
  SHOW(select(-1, NULL, NULL, NULL, &zero));
  SHOW(pselect(0, NULL, NULL, NULL, &changed, NULL));
  SHOW(pselect(-1, NULL, NULL, NULL, &changed, NULL));
  SHOW(epoll_create(0));
  SHOW(epoll_create1(-1));
  SHOW(epoll_create1(0) > 2);
  SHOW(epoll_ctl(77, EPOLL_CTL_ADD, 0, &event));
  SHOW(epoll_wait(0, &event, 1, 0));
  SHOW(epoll_pwait(0, &event, 1, 0, NULL));
  SHOW(epoll_pwait2(77, &event, 1, &little, NULL));
  SHOW(nanosleep(&little, NULL));
  SHOW(nanosleep(&bad, NULL));
  SHOW(clock_nanosleep(CLOCK_MONOTONIC, 0, &little, NULL));
  SHOW(clock_nanosleep(CLOCK_MONOTONIC, 0, &bad, NULL));
  SHOW(usleep(1));
  SHOW(sleep(0));
  SHOW(getaddrinfo("127.0.0.1", NULL, &hints, &found));
  SHOW(getaddrinfo("no number", NULL, &hints, &found));
}

// A thread's first hooked call registers it: errno must survive that too.
static void* first_call(void* argument) {
  SHOW(read(3, g_data, 1));
  return argument;
}

static void* first_allocation(void* argument) {
  SHOW_BLOCK(malloc(10));
  return argument;
}

int main(void) {
  pthread_t thread;
  allocation();
  files();
  sockets();
  waits();
  pthread_create(&thread, NULL, first_call, NULL);
  pthread_join(thread, NULL);
  pthread_create(&thread, NULL, first_allocation, NULL);
  pthread_join(thread, NULL);
  return 0;
}
