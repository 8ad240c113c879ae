// A timer interrupts a program that is inside hooks most of the time; the handler calls the same
// hooked functions. Prints, as JSON, how many calls were made by both together: none may be lost.
//
//   signals MILLISECONDS THREADS
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "opaque.h"

static int g_zero;
static int g_null;
static atomic_ulong g_reads;
static atomic_ulong g_read_bytes;
static atomic_ulong g_writes;
static atomic_ulong g_closes;
static atomic_ulong g_allocations;
static atomic_ulong g_ticks;
static atomic_int g_stop;

static void work(void) {
  char data[16];
  const ssize_t got = read(g_zero, data, 7);
  atomic_fetch_add(&g_reads, 1);
  atomic_fetch_add(&g_read_bytes, got > 0 ? (unsigned long)got : 0);
  if (write(g_null, data, 3) == 3) {
    atomic_fetch_add(&g_writes, 1);
  }
  close(-1);
  atomic_fetch_add(&g_closes, 1);
}

static void on_tick(int number) {
  (void)number;
  const int saved = errno;
  work();
  work();
  atomic_fetch_add(&g_ticks, 1);
  errno = saved;
}

static void* run(void* argument) {
  while (!atomic_load(&g_stop)) {
    work();
    free(opaque(malloc(64)));
    atomic_fetch_add(&g_allocations, 1);
    errno = 4711;
    (void)!read(g_zero, NULL, 0);
    atomic_fetch_add(&g_reads, 1);
    if (errno != 4711) {
      abort();
    }
  }
  return argument;
}

int main(int count, char** arguments) {
  const int milliseconds = count > 1 ? atoi(arguments[1]) : 0;
  const int threads = count > 2 ? atoi(arguments[2]) : 1;
  struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
  // Blocks more often than it runs: each delivery lands somewhere in the hooks.
  const struct itimerval interval = {{0, 50}, {0, 50}};
  struct timespec until;
  pthread_t others[16];
  g_zero = open("/dev/zero", O_RDONLY);
  g_null = open("/dev/null", O_WRONLY);
  clock_gettime(CLOCK_MONOTONIC, &until);
  const long long end = until.tv_sec * 1000LL + until.tv_nsec / 1000000 + milliseconds;
  sigaction(SIGALRM, &action, NULL);
  sigaction(SIGPROF, &action, NULL);
  for (int i = 1; i < threads && i < 16; ++i) {
    pthread_create(&others[i], NULL, run, NULL);
  }
  setitimer(ITIMER_REAL, &interval, NULL);
  setitimer(ITIMER_PROF, &interval, NULL);
  do {
    for (int i = 0; i < 1000; ++i) {
      work();
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
  } while (until.tv_sec * 1000LL + until.tv_nsec / 1000000 < end);
  const struct itimerval never = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &never, NULL);
  setitimer(ITIMER_PROF, &never, NULL);
  atomic_store(&g_stop, 1);
  for (int i = 1; i < threads && i < 16; ++i) {
    pthread_join(others[i], NULL);
  }
  printf(
      "{\"reads\":%lu,\"read_bytes\":%lu,\"writes\":%lu,\"closes\":%lu,\"allocations\":%lu,"
      "\"ticks\":%lu}\n",
      g_reads, g_read_bytes, g_writes, g_closes, g_allocations, g_ticks);
  return 0;
}
