// Makes N rounds of a known sequence of every wrapped call, successes and failures, and prints how
// often each was called, how often it failed and how many bytes it moved, as JSON. What a program
// learns from its own results is the referee; `strace -f -c` is the other.
//
//   calls ROUNDS
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// clang-format off
#define ROWS(ROW)                                                                           \
  ROW(open) ROW(openat) ROW(creat) ROW(close) ROW(read) ROW(write) ROW(readv) ROW(writev)   \
  ROW(pread) ROW(pwrite) ROW(preadv) ROW(pwritev) ROW(preadv2) ROW(pwritev2) ROW(fsync)     \
  ROW(fdatasync) ROW(close_range) ROW(closefrom) ROW(dup2) ROW(dup3) ROW(socket)            \
  ROW(connect) ROW(accept) ROW(accept4) ROW(send) ROW(sendto) ROW(sendmsg) ROW(sendmmsg)    \
  ROW(recv) ROW(recvfrom) ROW(recvmsg) ROW(recvmmsg) ROW(poll) ROW(ppoll) ROW(select)       \
  ROW(pselect) ROW(epoll_create) ROW(epoll_create1) ROW(epoll_ctl) ROW(epoll_wait)          \
  ROW(epoll_pwait) ROW(epoll_pwait2) ROW(nanosleep) ROW(clock_nanosleep) ROW(usleep)        \
  ROW(sleep) ROW(getaddrinfo)
// clang-format on

#define ROW(name) k_##name,
enum Row { ROWS(ROW) kRows };
#undef ROW
#define ROW(name) #name,
static const char* const kNames[] = {ROWS(ROW)};
#undef ROW

static struct { unsigned long calls, errors, bytes; } g_counts[kRows];

static long note(enum Row row, long result, int moves) {
  ++g_counts[row].calls;
  g_counts[row].errors += result < 0 ? 1 : 0;
  g_counts[row].bytes += moves && result > 0 ? (unsigned long)result : 0;
  return result;
}

static int note_int(enum Row row, long result) { return (int)note(row, result, 0); }

#define CALL(name, ...) note_int(k_##name, name(__VA_ARGS__))
#define MOVE(name, ...) note(k_##name, name(__VA_ARGS__), 1)

static char g_data[4096];
static const struct timespec kShort = {0, 1000};

static void die(const char* what) {
  perror(what);
  exit(1);
}

static void files(const char* path) {
  struct iovec pieces[2] = {{g_data, 100}, {g_data + 100, 23}};
  const int fd = CALL(open, path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (fd < 0) {
    die(path);
  }
  MOVE(write, fd, g_data, 1000);
  MOVE(writev, fd, pieces, 2);
  MOVE(pwrite, fd, g_data, 10, 5);
  MOVE(pwritev, fd, pieces, 1, 0);
  MOVE(pwritev2, fd, pieces, 2, 0, 0);
  CALL(fsync, fd);
  CALL(fdatasync, fd);
  lseek(fd, 0, SEEK_SET);
  MOVE(read, fd, g_data, 600);
  MOVE(readv, fd, pieces, 2);
  MOVE(pread, fd, g_data, 50, 1000);
  MOVE(preadv, fd, pieces, 1, 0);
  MOVE(preadv2, fd, pieces, 2, 0, 0);
  MOVE(read, fd, g_data, sizeof(g_data));
  MOVE(read, fd, g_data, 1);  // end of file: no error, no byte
  MOVE(read, -1, g_data, 1);
  MOVE(write, -1, g_data, 1);
  MOVE(pread, fd, g_data, 1, -1);
  CALL(dup2, fd, fd + 50);
  CALL(dup3, fd, fd + 51, O_CLOEXEC);
  CALL(dup3, fd, fd, 0);
  CALL(close, fd + 50);
  CALL(close_range, (unsigned)fd + 51, (unsigned)fd + 51, 0);
  CALL(close_range, 9, 8, 0);
  CALL(close, fd);
  CALL(close, fd);
  CALL(open, "/nonexistent/file", O_RDONLY);
  CALL(openat, AT_FDCWD, "/nonexistent/file", O_RDONLY);
  CALL(close, CALL(openat, AT_FDCWD, path, O_RDONLY));
  CALL(close, CALL(creat, path, 0600));
  CALL(fsync, -1);
  closefrom(fd + 100);
  note(k_closefrom, 0, 0);
}

static void datagrams(void) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0) {
    die("socketpair");
  }
  struct iovec piece = {g_data, 33};
  struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
  struct mmsghdr messages[3] = {{.msg_hdr = message}, {.msg_hdr = message}, {.msg_hdr = message}};
  MOVE(send, pair[0], g_data, 70, 0);
  MOVE(sendto, pair[0], g_data, 71, 0, NULL, 0);
  MOVE(sendmsg, pair[0], &message, 0);
  if (CALL(sendmmsg, pair[0], messages, 3, 0) == 3) {
    g_counts[k_sendmmsg].bytes += 99;
  }
  CALL(recv, pair[1], g_data, 100, MSG_PEEK);  // the bytes come again: not counted
  MOVE(recv, pair[1], g_data, 100, 0);
  MOVE(recvfrom, pair[1], g_data, 100, 0, NULL, NULL);
  piece.iov_len = 100;
  MOVE(recvmsg, pair[1], &message, 0);
  for (int i = 0; i < 3; ++i) {
    messages[i].msg_hdr = message;
  }
  if (CALL(recvmmsg, pair[1], messages, 3, 0, NULL) == 3) {
    g_counts[k_recvmmsg].bytes += 99;
  }
  MOVE(recv, pair[1], g_data, 1, MSG_DONTWAIT);  // EAGAIN
  MOVE(send, -1, g_data, 1, 0);
  MOVE(recvmsg, -1, &message, 0);
  MOVE(sendmsg, -1, &message, 0);
  CALL(close, pair[0]);
  CALL(close, pair[1]);
}

static void connections(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof(address);
  const int server = CALL(socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(server, (struct sockaddr*)&address, size) != 0 || listen(server, 8) != 0 ||
      getsockname(server, (struct sockaddr*)&address, &size) != 0) {
    die("server");
  }
  for (int i = 0; i < 2; ++i) {
    const int client = CALL(socket, AF_INET, SOCK_STREAM, 0);
    CALL(connect, client, (struct sockaddr*)&address, size);
    const int accepted =
        i == 0 ? CALL(accept, server, NULL, NULL) : CALL(accept4, server, NULL, NULL, SOCK_CLOEXEC);
    MOVE(send, client, g_data, 10, 0);
    MOVE(recv, accepted, g_data, 100, 0);
    CALL(close, client);
    MOVE(recv, accepted, g_data, 100, 0);
    CALL(close, accepted);
  }
  CALL(close, server);
  const int refused = CALL(socket, AF_INET, SOCK_STREAM, 0);
  CALL(connect, refused, (struct sockaddr*)&address, size);
  CALL(close, refused);
  CALL(accept, -1, NULL, NULL);
  CALL(accept4, -1, NULL, NULL, 0);
  CALL(socket, -1, 0, 0);
}

static void waits(void) {
  int ends[2];
  if (pipe(ends) != 0) {
    die("pipe");
  }
  struct pollfd one = {ends[0], POLLIN, 0};
  struct timespec timeout = kShort;
  struct timeval zero = {0, 0};
  fd_set set;
  FD_ZERO(&set);
  FD_SET(ends[0], &set);
  CALL(poll, &one, 1, 0);
  CALL(ppoll, &one, 1, &kShort, NULL);
  CALL(select, ends[0] + 1, &set, NULL, NULL, &zero);
  FD_SET(ends[0], &set);
  CALL(pselect, ends[0] + 1, &set, NULL, NULL, &timeout, NULL);
  CALL(select, -1, NULL, NULL, NULL, &zero);
  struct epoll_event event = {.events = EPOLLIN};
  const int epoll = CALL(epoll_create1, EPOLL_CLOEXEC);
  CALL(close, CALL(epoll_create, 1));
  CALL(epoll_ctl, epoll, EPOLL_CTL_ADD, ends[0], &event);
  CALL(epoll_ctl, epoll, EPOLL_CTL_ADD, ends[0], &event);  // EEXIST
  CALL(epoll_wait, epoll, &event, 1, 0);
  CALL(epoll_pwait, epoll, &event, 1, 0, NULL);
  CALL(epoll_pwait2, epoll, &event, 1, &kShort, NULL);
  CALL(epoll_wait, -1, &event, 1, 0);
  CALL(close, epoll);
  CALL(close, ends[0]);
  CALL(close, ends[1]);
}

static void sleeps(void) {
  const struct timespec bad = {0, 2000000000};
  struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_family = AF_INET};
  struct addrinfo* found = NULL;
  CALL(nanosleep, &kShort, NULL);
  CALL(nanosleep, &bad, NULL);
  note(k_clock_nanosleep, -clock_nanosleep(CLOCK_MONOTONIC, 0, &kShort, NULL), 0);
  note(k_clock_nanosleep, -clock_nanosleep(CLOCK_MONOTONIC, 0, &bad, NULL), 0);
  CALL(usleep, 1);
  CALL(sleep, 0);
  if (note(k_getaddrinfo, getaddrinfo("127.0.0.1", NULL, &hints, &found), 0) == 0) {
    freeaddrinfo(found);
  }
  note(k_getaddrinfo, getaddrinfo("no number", NULL, &hints, &found) == EAI_NONAME ? -1 : 0, 0);
}

int main(int count, char** arguments) {
  const int rounds = count == 3 ? atoi(arguments[1]) : -1;
  if (rounds < 0) {
    fprintf(stderr, "usage: calls ROUNDS FILE\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  for (int round = 0; round < rounds; ++round) {
    files(arguments[2]);
    datagrams();
    connections();
    waits();
    sleeps();
  }
  printf("{");
  for (int row = 0; row < kRows; ++row) {
    printf("%s\"%s\":{\"calls\":%lu,\"errors\":%lu,\"bytes\":%lu}", row == 0 ? "" : ",",
           kNames[row], g_counts[row].calls, g_counts[row].errors, g_counts[row].bytes);
  }
  printf("}\n");
  return 0;
}
