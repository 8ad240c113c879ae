/* The rarer members of the families that share a row, and calls that are made by their number
 * through syscall(2). Prints nothing when all is as without us, a line naming what was not
 * otherwise. The test looks at what was recorded.
 *
 *   spellings SCENE FOLDER */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#define CHECK(condition)                        \
  do {                                          \
    if (!(condition)) {                         \
      printf("%d: %s\n", __LINE__, #condition); \
    }                                           \
  } while (0)

static const char* g_folder;
static char g_path[256];

static void names(void) { /* directories and file systems, and what is said of files */
  char text[4096];
  struct statfs system;
  struct statvfs portable;
  const struct timeval times[2] = {{1, 0}, {2, 0}};
  const struct utimbuf old = {1, 2};
  const int fd = open(g_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  CHECK(statfs(g_folder, &system) == 0 && fstatfs(fd, &system) == 0);
  CHECK(statvfs(g_folder, &portable) == 0 && fstatvfs(fd, &portable) == 0);
  CHECK(statvfs("/nonexistent/file", &portable) == -1 && errno == ENOENT);
  CHECK(listxattr(g_path, text, sizeof(text)) >= 0 && flistxattr(fd, text, 0) >= 0);
  CHECK(getxattr(g_path, "user.none", text, 1) == -1 && fgetxattr(fd, "user.none", text, 1) == -1);
  CHECK(setxattr("/nonexistent/file", "user.a", "b", 1, 0) == -1 && errno == ENOENT);
  CHECK(removexattr("/nonexistent/file", "user.a") == -1 && errno == ENOENT);
  CHECK(utime(g_path, &old) == 0 && utimes(g_path, times) == 0 && futimes(fd, times) == 0);
  CHECK(lutimes(g_path, times) == 0 && futimesat(AT_FDCWD, g_path, times) == 0);
  CHECK(eaccess(g_path, R_OK) == 0 && euidaccess("/nonexistent/file", R_OK) == -1);
  CHECK(lockf(fd, F_LOCK, 0) == 0 && lockf(fd, F_ULOCK, 0) == 0);
  CHECK(syncfs(-1) == -1 && errno == EBADF && sync_file_range(fd, 0, 0, 0) == 0);
  CHECK(ftruncate(fd, 4096) == 0);
  void* mapped = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
  CHECK(msync(mapped, 4096, MS_ASYNC) == 0 && munmap(mapped, 4096) == 0);
  CHECK(getcwd(text, sizeof(text)) == text && text[0] == '/');
  CHECK(getcwd(text, 1) == NULL && errno == ERANGE);
  char* found = canonicalize_file_name(g_path);
  CHECK(found != NULL && strcmp(found, g_path) == 0);
  free(found);
  close(fd);
}

static void templates(void) { /* files and directories whose names are made up */
  char path[6][300];
  for (int i = 0; i < 6; ++i) {
    snprintf(path[i], sizeof(path[i]), "%s/madeXXXXXX%s", g_folder, i == 2 || i == 3 ? ".txt" : "");
  }
  int fds[4] = {mkstemp(path[0]), mkostemp(path[1], O_CLOEXEC), mkstemps(path[2], 4),
                mkostemps(path[3], 4, 0)};
  for (int i = 0; i < 4; ++i) {
    CHECK(fds[i] >= 0 && write(fds[i], "12345", 5) == 5 && close(fds[i]) == 0);
  }
  CHECK(mkdtemp(path[4]) == path[4] && rmdir(path[4]) == 0);
  char bad[] = "no template";
  CHECK(mkstemp(bad) == -1 && errno == EINVAL);
}

static void streams(void) {
  FILE* stream = fopen(g_path, "w");
  CHECK(fputs("five\n", stream) >= 0 && fputs_unlocked("four", stream) >= 0);
  CHECK(fclose(stream) == 0);
  stream = fopen(g_path, "r");
  CHECK(fputs("read only", stream) == EOF);
  fclose(stream);
}

static void sockets(void) { /* names of sockets; events and timers */
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof(address);
  const int server = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(bind(server, (struct sockaddr*)&address, size) == 0 && listen(server, 1) == 0);
  CHECK(getsockname(server, (struct sockaddr*)&address, &size) == 0 && address.sin_port != 0);
  CHECK(getpeername(server, (struct sockaddr*)&address, &size) == -1 && errno == ENOTCONN);
  const int event = eventfd(0, EFD_NONBLOCK);
  eventfd_t value = 0;
  CHECK(eventfd_write(event, 7) == 0 && eventfd_read(event, &value) == 0 && value == 7);
  CHECK(eventfd_read(event, &value) == -1 && errno == EAGAIN);
  const int timer = timerfd_create(CLOCK_MONOTONIC, 0);
  struct itimerspec left;
  CHECK(timerfd_gettime(timer, &left) == 0 && left.it_value.tv_sec == 0);
  const int changes = inotify_init1(IN_CLOEXEC);
  CHECK(changes >= 0 && close(changes) == 0);
  close(timer);
  close(event);
  close(server);
}

static void numbers(void) {
  struct stat status;
  struct epoll_event event;
  struct timespec nap = {0, 1000};
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof(address);
  char text[64];
  int pair[2];
  const int fd = (int)syscall(SYS_openat, AT_FDCWD, g_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  CHECK(fd >= 0 && syscall(SYS_write, fd, "12345", 5) == 5);
  CHECK(syscall(SYS_pread64, fd, text, 3, 1) == 3 && memcmp(text, "234", 3) == 0);
  CHECK(syscall(SYS_newfstatat, AT_FDCWD, "/nonexistent", &status, 0) == -1 && errno == ENOENT);
  CHECK(syscall(SYS_fsync, fd) == 0 && syscall(SYS_fdatasync, -1) == -1 && errno == EBADF);
  CHECK(syscall(SYS_faccessat, AT_FDCWD, g_path, R_OK) == 0);
  const int copy = (int)syscall(SYS_dup, fd);
  CHECK(copy > fd && syscall(SYS_dup3, fd, copy, O_CLOEXEC) == copy && close(copy) == 0);
  const int server = (int)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
  CHECK(bind(server, (struct sockaddr*)&address, size) == 0 && listen(server, 1) == 0);
  CHECK(getsockname(server, (struct sockaddr*)&address, &size) == 0);
  const int client = (int)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
  CHECK(syscall(SYS_connect, client, &address, size) == 0);
  const int accepted = (int)syscall(SYS_accept4, server, NULL, NULL, 0);
  CHECK(syscall(SYS_sendto, client, "123", 3, 0, NULL, 0) == 3);
  CHECK(syscall(SYS_recvfrom, accepted, text, 10, 0, NULL, NULL) == 3);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  struct iovec piece = {text, 2};
  struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
  CHECK(syscall(SYS_sendmsg, pair[0], &message, 0) == 2);
  CHECK(syscall(SYS_recvmsg, pair[1], &message, 0) == 2);
  CHECK(syscall(SYS_ppoll, NULL, 0, &nap, NULL, 0) == 0);
  const int epoll = epoll_create1(0);
  CHECK(syscall(SYS_epoll_pwait, epoll, &event, 1, 0, NULL, 8) == 0);
#ifdef SYS_epoll_wait
  CHECK(syscall(SYS_epoll_wait, epoll, &event, 1, 0) == 0 && syscall(SYS_poll, NULL, 0, 1) == 0);
#endif
  CHECK(syscall(SYS_nanosleep, &nap, NULL) == 0);
  CHECK(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &nap, NULL) == 0);
  CHECK(syscall(SYS_clock_nanosleep, 99, 0, &nap, NULL) == -1 && errno == EINVAL);
  CHECK(syscall(SYS_wait4, -1, NULL, WNOHANG, NULL) == -1 && errno == ECHILD);
  CHECK(syscall(SYS_waitid, P_ALL, 0, NULL, WNOHANG | WEXITED, NULL) == -1 && errno == ECHILD);
  CHECK(syscall(SYS_gettid) == getpid());
}

int main(int count, char** arguments) {
  static const struct {
    const char* name;
    void (*play)(void);
  } scenes[] = {{"names", names},
                {"templates", templates},
                {"streams", streams},
                {"sockets", sockets},
                {"numbers", numbers}};
  if (count != 3) {
    return 2;
  }
  g_folder = arguments[2];
  snprintf(g_path, sizeof(g_path), "%s/spelled", g_folder);
  for (unsigned i = 0; i < sizeof(scenes) / sizeof(scenes[0]); ++i) {
    if (strcmp(arguments[1], scenes[i].name) == 0) {
      scenes[i].play();
      return 0;
    }
  }
  return 2;
}
