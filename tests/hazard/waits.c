/* One scene for each kind of wait and for each function that comes in several shapes; prints
 * nothing when all is as without us, a line naming what was not otherwise. The test looks at what
 * was recorded.
 *
 *   waits SCENE FOLDER */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition)                        \
  do {                                          \
    if (!(condition)) {                         \
      printf("%d: %s\n", __LINE__, #condition); \
    }                                           \
  } while (0)

static pthread_mutex_t g_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t g_condition = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t g_rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t g_semaphore;
static const char* g_folder;

static void nap(long ms) {
  struct timespec time = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}

static struct timespec soon(long ms) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  now.tv_nsec += ms * 1000000;
  now.tv_sec += now.tv_nsec / 1000000000;
  now.tv_nsec %= 1000000000;
  return now;
}

static void* holds_locks(void* unused) {
  pthread_mutex_lock(&g_mutex);
  pthread_rwlock_wrlock(&g_rwlock);
  sem_post(&g_semaphore);
  nap(100);
  pthread_rwlock_unlock(&g_rwlock);
  pthread_mutex_unlock(&g_mutex);
  return unused;
}

static void locks(void) {
  pthread_t thread;
  struct timespec until;
  pthread_mutexattr_t kind;
  pthread_mutex_t checked;
  sem_init(&g_semaphore, 0, 0);
  for (int i = 0; i < 1000; ++i) { /* free: not counted */
    CHECK(pthread_mutex_lock(&g_mutex) == 0);
    CHECK(pthread_mutex_unlock(&g_mutex) == 0);
  }
  CHECK(pthread_create(&thread, NULL, holds_locks, NULL) == 0);
  CHECK(sem_wait(&g_semaphore) == 0);
  errno = 77;
  until = soon(20);
  CHECK(pthread_mutex_timedlock(&g_mutex, &until) == ETIMEDOUT);
  until = soon(20);
  CHECK(pthread_rwlock_timedrdlock(&g_rwlock, &until) == ETIMEDOUT);
  CHECK(errno == 77);
  CHECK(pthread_mutex_lock(&g_mutex) == 0);
  CHECK(pthread_rwlock_rdlock(&g_rwlock) == 0);
  CHECK(pthread_rwlock_unlock(&g_rwlock) == 0);
  until = soon(20);
  CHECK(pthread_cond_timedwait(&g_condition, &g_mutex, &until) == ETIMEDOUT);
  CHECK(pthread_mutex_unlock(&g_mutex) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  pthread_mutexattr_init(&kind);
  pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutex_init(&checked, &kind);
  CHECK(pthread_mutex_lock(&checked) == 0);
  CHECK(pthread_mutex_lock(&checked) == EDEADLK);
  pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&checked, &kind);
  CHECK(pthread_mutex_lock(&checked) == 0 && pthread_mutex_lock(&checked) == 0);
  until = soon(5);
  errno = 0;
  CHECK(sem_timedwait(&g_semaphore, &until) == -1 && errno == ETIMEDOUT);
}

static void children(void) {
  extern char** environ;
  char* arguments[] = {"sleep", "0.05", NULL};
  int status = -1;
  pid_t pid = fork();
  if (pid == 0) {
    _exit(7);
  }
  CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7);
  CHECK(posix_spawnp(&pid, "sleep", NULL, NULL, arguments, environ) == 0);
  CHECK(waitpid(pid, &status, 0) == pid && status == 0);
  CHECK(posix_spawnp(&pid, "/nonexistent/program", NULL, NULL, arguments, environ) == ENOENT);
  CHECK(WEXITSTATUS(system("exit 3")) == 3);
  FILE* stream = popen("echo one", "r");
  char line[16] = "";
  CHECK(stream != NULL && fgets(line, sizeof(line), stream) == line && strcmp(line, "one\n") == 0);
  CHECK(pclose(stream) == 0);
  errno = 0;
  CHECK(wait(&status) == -1 && errno == ECHILD);
}

static void shapes(void) { /* variadic, and functions that came with other versions */
  char path[256];
  char real[4096];
  struct stat status;
  snprintf(path, sizeof(path), "%s/shape", g_folder);
  int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0640);
  CHECK(fd >= 0 && stat(path, &status) == 0 && (status.st_mode & 0777) == 0640);
  CHECK(fstat(fd, &status) == 0 && lstat(path, &status) == 0);
  CHECK(stat("/nonexistent/file", &status) == -1 && errno == ENOENT);
  CHECK(stat((const char*)1, &status) == -1 && errno == EFAULT);
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 100);
  CHECK(copy >= 100 && (fcntl(copy, F_GETFD) & FD_CLOEXEC) != 0);
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  CHECK(fcntl(fd, F_SETLK, &lock) == 0);
  CHECK(write(copy, "12345", 5) == 5 && lseek(fd, 0, SEEK_CUR) == 5);
  char* found = realpath(path, NULL); /* the old version answers EINVAL */
  CHECK(found != NULL && strcmp(found, path) == 0);
  free(found);
  CHECK(realpath(path, real) == real);
  CHECK(syscall(SYS_close, copy) == 0);
  CHECK(syscall(SYS_close, copy) == -1 && errno == EBADF);
  CHECK(syscall(SYS_gettid) == getpid());
  CHECK(chdir(g_folder) == 0);
  FILE* stream = fopen("shape", "r");
  char text[16] = "";
  CHECK(stream != NULL && fread(text, 1, sizeof(text), stream) == 5 && fclose(stream) == 0);
  CHECK(rename("./shape", "../../../../nonexistent/x") == -1);
  CHECK(close(fd) == 0 && unlink(path) == 0);
  stream = fmemopen(text, sizeof(text), "r");
  errno = 5;
  CHECK(fread(real, 1, 3, stream) == 3 && errno == 5);
  fclose(stream);
}

static void* cancelled(void* unused) {
  sem_wait(&g_semaphore);
  return unused;
}

static void cancels(void) {
  pthread_t thread;
  void* result = NULL;
  sem_init(&g_semaphore, 0, 0);
  CHECK(pthread_create(&thread, NULL, cancelled, NULL) == 0);
  nap(20);
  CHECK(pthread_cancel(thread) == 0);
  CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
}

static void* owner(void* unused) {
  pthread_mutex_lock(&g_mutex);
  sem_post(&g_semaphore);
  pause();
  return unused;
}

static void hangs(void) { /* killed by the test, in a lock that another thread holds */
  pthread_t thread;
  sem_init(&g_semaphore, 0, 0);
  pthread_create(&thread, NULL, owner, NULL);
  sem_wait(&g_semaphore);
  printf("ready\n");
  fflush(stdout);
  pthread_mutex_lock(&g_mutex);
}

int main(int count, char** arguments) {
  static const struct {
    const char* name;
    void (*play)(void);
  } scenes[] = {{"locks", locks},
                {"children", children},
                {"shapes", shapes},
                {"cancels", cancels},
                {"hangs", hangs}};
  if (count != 3) {
    return 2;
  }
  g_folder = arguments[2];
  for (unsigned i = 0; i < sizeof(scenes) / sizeof(scenes[0]); ++i) {
    if (strcmp(arguments[1], scenes[i].name) == 0) {
      scenes[i].play();
      return 0;
    }
  }
  return 2;
}
