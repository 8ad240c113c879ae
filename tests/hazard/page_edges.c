// What a program hands to a call may end where its page ends, and the next page may not be there.
// The kernel reads no further than it must; whoever reads the same memory must not either. Nor may
// it read what the call never came to, having refused something else first. Prints one line for
// each call; must be the same with the library.
//
//   page_edges paths | refused | sockets | forbidden | waits | names | environment | null
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "opaque.h"

#define SHOW(expression)                                         \
  do {                                                           \
    errno = 0;                                                   \
    const long result_ = (long)(expression);                     \
    printf("%s -> %ld errno %d\n", #expression, result_, errno); \
    fflush(stdout);                                              \
  } while (0)

enum { kPathMax = 4096, kRoom = 4 * 4096 };

// The last `size` bytes before a page that is not there, filled with `from` or with 'a'.
static void* at_edge(const void* from, size_t size) {
  char* room = mmap(NULL, kRoom + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(room + kRoom, 4096);
  char* place = room + kRoom - size;
  if (from != NULL) {
    memcpy(place, from, size);
  } else {
    memset(place, 'a', size);
  }
  return opaque(place);
}

static char* text_at_edge(const char* text) { return at_edge(text, strlen(text) + 1); }

// `bytes` without a NUL, then nothing: the kernel finds it too long, or runs into the edge itself.
static void unterminated(size_t bytes) {
  char* path = at_edge(NULL, bytes);
  char into[100];
  struct stat status;
  path[0] = '/';
  SHOW(stat(path, &status));
  SHOW(lstat(path, &status));
  SHOW(fstatat(AT_FDCWD, path, &status, 0));
  SHOW(open(path, O_RDONLY));
  SHOW(openat(AT_FDCWD, path, O_RDONLY));
  SHOW(creat(path, 0600));
  SHOW(fopen(path, "r") != NULL);
  SHOW(access(path, R_OK));
  SHOW(readlink(path, into, sizeof(into)));
  SHOW(mkdir(path, 0700));
  SHOW(unlink(path));
  SHOW(rename(path, "/nowhere/at/all"));
  SHOW(rename("", path));
  SHOW(link("", path));
  SHOW(symlink("", path));
  SHOW(chmod(path, 0700));
  SHOW(chdir(path));
  SHOW(truncate(path, 0));
  SHOW(opendir(path) != NULL);
  SHOW(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0));
  path[0] = 'a';
  SHOW(stat(path, &status));
  SHOW(open(path, O_RDONLY));
}

static void paths(void) {
  struct stat status;
  unterminated(kPathMax);
  unterminated(kPathMax + 3);
  unterminated(kPathMax - 1);
  unterminated(100);
  unterminated(1);
  SHOW(stat(text_at_edge("/etc/passwd"), &status));
  SHOW(stat(text_at_edge("/etc/none"), &status));
  SHOW(open(text_at_edge("none"), O_RDONLY));
  SHOW(close(open(text_at_edge("/etc/passwd"), O_RDONLY)));
  SHOW(stat(text_at_edge(""), &status));
}

static void refused(void) {
  char* none = opaque((void*)8);
  char into[100];
  struct stat status;
  struct timespec never[2] = {{0, -5}, {0, -5}};
  SHOW(faccessat(AT_FDCWD, none, 0x7000, 0));
  SHOW(fstatat(AT_FDCWD, none, &status, 0x70000000));
  SHOW(syscall(SYS_statx, AT_FDCWD, none, 0x70000000, 0, into));
  SHOW(fopen(none, "zzz") != NULL);
  SHOW(readlink(none, into, 0));
  SHOW(truncate(none, -1));
  SHOW(linkat(AT_FDCWD, none, AT_FDCWD, none, 0x70000000));
  SHOW(unlinkat(AT_FDCWD, none, 0x70000000));
  SHOW(utimensat(AT_FDCWD, none, never, 0));
  SHOW(setxattr(none, "user.none", "x", 1, 0x70000000));
  SHOW(openat(AT_FDCWD, none, O_TMPFILE & ~O_DIRECTORY, 0));
  SHOW(sigaction(999, (void*)none, NULL));
  SHOW(sigaction(0, (void*)none, NULL));
  SHOW(sigaction(33, (void*)none, NULL));
  SHOW(sigaltstack((void*)none, NULL));
  SHOW(writev(1, (void*)none, 0));
  SHOW(poll((void*)none, 0, 0));
}

static void sockets(void) {
  struct sockaddr_in ip4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/nowhere/at/all"};
  const int stream = socket(AF_INET, SOCK_STREAM, 0);
  const int datagram = socket(AF_INET, SOCK_DGRAM, 0);
  ip4.sin_port = htons(9);
  SHOW(connect(datagram, at_edge(&ip4, sizeof(ip4)), sizeof(ip4)));
  SHOW(connect(datagram, at_edge(&ip4, 8), sizeof(ip4)));
  SHOW(connect(datagram, at_edge(&ip4, 2), 2));
  SHOW(connect(socket(AF_UNIX, SOCK_STREAM, 0), at_edge(&local, 18), 18));
  SHOW(connect(socket(AF_UNIX, SOCK_STREAM, 0), at_edge(&local, 18), 110));
  SHOW(sendto(datagram, "x", 1, 0, at_edge(&ip4, sizeof(ip4)), sizeof(ip4)));
  SHOW(sendto(datagram, at_edge(NULL, 30), 30, MSG_DONTWAIT, NULL, 0) >= -1);
  int pair[2] = {-1, -1};
  SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, at_edge(pair, sizeof(pair))));
  SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  struct iovec piece = {at_edge("0123456789", 10), 10};
  struct msghdr whole = {.msg_iov = at_edge(&piece, sizeof(piece)), .msg_iovlen = 1};
  SHOW(writev(pair[0], at_edge(&piece, sizeof(piece)), 1));
  SHOW(writev(pair[0], at_edge(&piece, sizeof(piece)), 2));
  SHOW(sendmsg(pair[0], at_edge(&whole, sizeof(whole)), 0));
  SHOW(readv(pair[1], at_edge(&piece, sizeof(piece)), 1));
  SHOW(recvmsg(pair[1], at_edge(&whole, sizeof(whole)), 0));
  // The answer is as long as there was room for it.
  socklen_t one = 1;
  socklen_t none = 0;
  SHOW(getsockopt(stream, SOL_SOCKET, SO_ERROR, at_edge(NULL, 1), &one));
  SHOW(getsockopt(stream, SOL_SOCKET, SO_ERROR, (void*)8, &none));
  SHOW(getsockopt(stream, SOL_SOCKET, SO_ERROR, at_edge(NULL, 4), at_edge("\4\0\0", 4)));
}

static void waits(void) {
  int ends[2] = {-1, -1};
  struct epoll_event event = {.events = EPOLLOUT};
  struct timespec soon = {0, 1};
  if (pipe(at_edge(ends, sizeof(ends))) != 0 || pipe(ends) != 0) {
    return;
  }
  struct pollfd wanted = {.fd = ends[1], .events = POLLOUT};
  SHOW(poll(at_edge(&wanted, sizeof(wanted)), 1, 0));
  SHOW(poll(at_edge(&wanted, sizeof(wanted)), 2, 0));
  const int epoll = epoll_create1(0);
  event.data.fd = ends[1];
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[1], at_edge(&event, sizeof(event))));
  SHOW(epoll_wait(epoll, at_edge(NULL, sizeof(event)), 1, 0));
  SHOW(epoll_wait(epoll, at_edge(NULL, sizeof(event)), 10, 0));
  SHOW(epoll_ctl(epoll, EPOLL_CTL_DEL, ends[1], opaque((void*)8)));
  // The kernel looks at no more descriptors than the process has room for: 64 or 256.
  uint64_t words[4] = {1ULL << ends[1]};
  SHOW(select(1024, NULL, at_edge(words, sizeof(words)), NULL, &(struct timeval){0, 0}));
  words[0] = 1ULL << ends[0];
  SHOW(select(1024, at_edge(words, sizeof(words)), NULL, NULL, &(struct timeval){0, 0}));
  SHOW(nanosleep(at_edge(&soon, sizeof(soon)), NULL));
  SHOW(nanosleep(at_edge(&soon, 8), NULL));
  SHOW(clock_nanosleep(CLOCK_MONOTONIC, 0, at_edge(&soon, 8), NULL));
}

static void names(void) {
  struct addrinfo* found = NULL;
  struct addrinfo wrong = {.ai_flags = 0x40000000};
  struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST};
  SHOW(getaddrinfo(at_edge(NULL, 10), NULL, &wrong, &found));
  SHOW(getaddrinfo(text_at_edge("127.0.0.1"), NULL, &numeric, &found));
  SHOW(getaddrinfo(text_at_edge("x"), NULL, &numeric, &found));
}

static void environment(void) {
  char* arguments[] = {"none", NULL};
  char* long_list[] = {"A=1", "LD_PRELOAD=", "B=2", NULL};
  char* with_bad[] = {"A=1", opaque((void*)8), NULL};
  char* with_edge[] = {"A=1", at_edge("LD_PRELOAD", 10), NULL};
  char* with_preload[] = {at_edge("LD_PRELOAD=/a", 13), NULL};
  char* short_text[] = {text_at_edge("A="), text_at_edge("LD_PRELOAD"), text_at_edge(""), NULL};
  SHOW(execve("/nowhere", arguments, at_edge(long_list, sizeof(long_list))));
  SHOW(execve("/nowhere", arguments, at_edge(short_text, sizeof(short_text))));
  SHOW(execve("/bin/true", arguments, opaque((void*)8)));
  SHOW(execve("/bin/true", arguments, at_edge(long_list, 2 * sizeof(char*))));
  SHOW(execve("/bin/true", arguments, with_bad));
  SHOW(execve("/bin/true", arguments, with_edge));
  SHOW(execve("/bin/true", arguments, with_preload));
  SHOW(execve(opaque((void*)8), arguments, long_list));
  SHOW(execve(at_edge(NULL, kPathMax), arguments, long_list));
  SHOW(execve("/bin/true", opaque((void*)8), long_list));
}

// /dev/null takes what it does not read. Descriptor 0 is one, and was opened by nobody here.
static void null(void) {
  char* none = opaque((void*)8);
  struct iovec piece = {none, 100};
  struct msghdr nothing = {0};
  const int fd = open("/dev/null", O_WRONLY);
  const int given = open("/dev/null", O_WRONLY) >= 0 ? 0 : -1;
  SHOW(write(fd, none, 100));
  SHOW(writev(fd, &piece, 1));
  SHOW(write(given, none, 100));
  SHOW(writev(given, &piece, 1));
  SHOW(write(given, at_edge(NULL, 5), 100));
  SHOW(syscall(SYS_write, given, none, 100));
  SHOW(sendmsg(given, &nothing, 0));
}

// Where the call that copies from bad pointers is forbidden.
static void forbidden(void) {
  struct sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const struct sock_fprog filter = {sizeof(rules) / sizeof(rules[0]), rules};
  SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  SHOW(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter));
  SHOW(connect(socket(AF_INET, SOCK_STREAM, 0), opaque((void*)8), 16));
  sockets();
}

int main(int count, char** arguments) {
  const char* what = count > 1 ? arguments[1] : "";
  const struct {
    const char* name;
    void (*run)(void);
  } kinds[] = {{"paths", paths}, {"refused", refused},    {"sockets", sockets},
               {"waits", waits}, {"names", names},        {"environment", environment},
               {"null", null},   {"forbidden", forbidden}};
  for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); ++i) {
    if (strcmp(kinds[i].name, what) == 0) {
      kinds[i].run();
      return 0;
    }
  }
  return 2;
}
