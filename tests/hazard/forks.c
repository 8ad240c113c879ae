// Every way to get a child process. The parent's calls are known and printed; whatever the children
// do must not show in the parent's recording.
//
//   forks WAY CHILD_ROUNDS [PROGRAM]    WAY: fork clone threads heirs vfork spawn
//   system popen exec
//
// The parent always makes 100 reads and 100 malloc+free pairs, before and after there were
// children.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "opaque.h"

extern char** environ;

static int g_zero;
static int g_child_rounds;
static const char* g_program = "/bin/true";
static atomic_int g_stop;

static void die(const char* what) {
  perror(what);
  exit(1);
}

static void work(int rounds) {
  char byte;
  for (int i = 0; i < rounds; ++i) {
    free(opaque(malloc(1000)));
    free(opaque(realloc(opaque(malloc(10)), 50000)));
    if (read(g_zero, &byte, 1) != 1) {
      die("read");
    }
  }
}

static void reap(pid_t child, const char* what) {
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
    fprintf(stderr, "forks: %s: child %d, status %x\n", what, (int)child, (unsigned)status);
    exit(1);
  }
}

// The child ends through exit(): destructors of libraries run in it.
static void by_fork(void) {
  const pid_t child = fork();
  if (child == 0) {
    work(g_child_rounds);
    exit(0);
  }
  reap(child, "fork");
}

// No handler of pthread_atfork runs for this one.
static void by_clone(void) {
  const pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    work(g_child_rounds);
    exit(0);
  }
  reap(child, "clone");
}

// The child frees what its parent allocated, and keeps blocks of its own.
static void by_fork_of_heirs(void) {
  enum { kBlocks = 200 };
  static void* inherited[kBlocks];
  static void* own[kBlocks];
  for (int i = 0; i < kBlocks; ++i) {
    inherited[i] = opaque(malloc(1000));
  }
  const pid_t child = fork();
  if (child == 0) {
    for (int i = 0; i < kBlocks; ++i) {
      own[i] = opaque(malloc(3000));
      free(inherited[i]);
    }
    exit(own[0] == NULL);
  }
  reap(child, "fork of heirs");
}

static void* allocate_until_stopped(void* argument) {
  while (!atomic_load(&g_stop)) {
    free(opaque(malloc(3000)));
  }
  return argument;
}

// The heap's locks are held by others at the moment of the fork.
static void by_fork_among_threads(void) {
  pthread_t threads[4];
  for (int i = 0; i < 4; ++i) {
    pthread_create(&threads[i], NULL, allocate_until_stopped, NULL);
  }
  for (int i = 0; i < 20; ++i) {
    by_fork();
  }
  atomic_store(&g_stop, 1);
  for (int i = 0; i < 4; ++i) {
    pthread_join(threads[i], NULL);
  }
}

static void by_vfork(void) {
  char* const arguments[] = {(char*)g_program, NULL};
  const pid_t child = vfork();
  if (child == 0) {
    execv(g_program, arguments);
    _exit(127);
  }
  reap(child, "vfork");
}

static void by_spawn(void) {
  char* const arguments[] = {(char*)g_program, NULL};
  pid_t child = -1;
  if (posix_spawn(&child, g_program, NULL, NULL, arguments, environ) != 0 ||
      posix_spawnp(&child, g_program, NULL, NULL, arguments, environ) != 0) {
    die("posix_spawn");
  }
  while (wait(NULL) > 0) {
  }
}

static void by_system(void) {
  if (system(g_program) != 0) {  // NOLINT(cert-env33-c): the test's own program
    die("system");
  }
}

static void by_popen(void) {
  FILE* stream = popen(g_program, "r");  // NOLINT(cert-env33-c): the test's own program
  char line[256];
  while (stream != NULL && fgets(line, sizeof(line), stream) != NULL) {
    fputs(line, stdout);
  }
  if (stream == NULL || pclose(stream) != 0) {
    die("popen");
  }
}

// A forked child that becomes another program by each function of the family.
static void by_exec(void) {
  char* const arguments[] = {(char*)g_program, NULL};
  for (int way = 0; way < 7; ++way) {
    const pid_t child = fork();
    if (child == 0) {
      switch (way) {
        case 0:
          execve(g_program, arguments, environ);
          break;
        case 1:
          execv(g_program, arguments);
          break;
        case 2:
          execvp(g_program, arguments);
          break;
        case 3:
          execvpe(g_program, arguments, environ);
          break;
        case 4:
          execl(g_program, g_program, (char*)NULL);
          break;
        case 5:
          execlp(g_program, g_program, (char*)NULL);
          break;
        default:
          execle(g_program, g_program, (char*)NULL, environ);
          break;
      }
      _exit(127);
    }
    reap(child, "exec");
  }
}

int main(int count, char** arguments) {
  static const struct {
    const char* name;
    void (*run)(void);
  } ways[] = {{"fork", by_fork},
              {"clone", by_clone},
              {"threads", by_fork_among_threads},
              {"heirs", by_fork_of_heirs},
              {"vfork", by_vfork},
              {"spawn", by_spawn},
              {"system", by_system},
              {"popen", by_popen},
              {"exec", by_exec},
              {"none", NULL}};
  g_child_rounds = count > 2 ? atoi(arguments[2]) : 0;
  g_program = count > 3 ? arguments[3] : g_program;
  g_zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
  work(100);
  for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); ++i) {
    if (count > 1 && strcmp(arguments[1], ways[i].name) == 0) {
      if (ways[i].run != NULL) {
        ways[i].run();
      }
      work(100);
      return 0;
    }
  }
  fprintf(stderr, "usage: forks WAY CHILD_ROUNDS [PROGRAM]\n");
  return 2;
}
