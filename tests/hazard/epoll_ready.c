// Waits for descriptors that are all ready, whose events carry pointers. Says how long a wait took.
//
//   epoll_ready EVENTS ROUNDS     prints nanoseconds of CPU time for one wait
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { kMax = 64 };

static double cpu_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

int main(int count, char** arguments) {
  static double loops[kMax];  // what the pointers point at
  struct epoll_event ready[kMax];
  const int events = count > 2 ? atoi(arguments[1]) : 0;
  const int rounds = count > 2 ? atoi(arguments[2]) : 0;
  const int epoll = epoll_create1(0);
  for (int i = 0; i < events && i < kMax; ++i) {
    const int fd = (int)syscall(SYS_eventfd2, 1, 0);  // of no kind that is known
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &loops[i]};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
      return 1;
    }
  }
  const double began = cpu_ns();
  for (int i = 0; i < rounds; ++i) {
    if (epoll_wait(epoll, ready, kMax, 0) != events) {
      return 2;
    }
  }
  printf("%.0f\n", (cpu_ns() - began) / rounds);
  return 0;
}
