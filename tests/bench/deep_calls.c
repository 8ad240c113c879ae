// Times poll() of nothing, or malloc(64) and free, from the end of a chain of callers.
// Usage: deep_calls CALLS poll|malloc DEPTH [moving]. Prints ns of CPU time per call. Moving: each
// call is made from another depth, DEPTH on average, so that it never stands where it lately stood.
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void* volatile g_block;  // so that the compiler leaves the pair in

static void run(int polls, long calls) {
  for (long i = 0; i < calls; ++i) {
    if (polls) {
      poll(NULL, 0, 0);
    } else {
      g_block = malloc(64);
      free(g_block);
    }
  }
}

__attribute__((noinline)) static void descend(int depth, int polls, long calls) {
  if (depth > 0) {
    descend(depth - 1, polls, calls);
  } else {
    run(polls, calls);
  }
  __asm__ volatile("");  // no tail call: each level keeps its frame
}

static void descend_anew(int depth, int polls, long calls) {
  for (long i = 0; i < calls; ++i) {
    descend(depth - 8 + (int)(i * 7 % 17), polls, 1);
  }
}

int main(int argc, char** argv) {
  if (argc < 4 || argc > 5 || atol(argv[1]) < 1) {
    fputs("usage: deep_calls CALLS poll|malloc DEPTH [moving]\n", stderr);
    return 2;
  }
  const long calls = atol(argv[1]);
  const int polls = strcmp(argv[2], "poll") == 0;
  void (*const go)(int, int, long) = argc == 5 ? descend_anew : descend;
  go(atoi(argv[3]), polls, 100);
  const uint64_t begin = now_ns();
  go(atoi(argv[3]), polls, calls);
  printf("%.4f\n", (double)(now_ns() - begin) / (double)calls);
  return 0;
}
