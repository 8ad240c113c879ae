// Times getppid(), a system call that does nothing: how fast this machine enters and leaves its
// kernel. Usage: getppid CALLS. Prints ns per call.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

int main(int argc, char** argv) {
  const long calls = argc > 1 ? atol(argv[1]) : 1000000;
  if (calls < 1) {
    fputs("usage: getppid CALLS\n", stderr);
    return 2;
  }
  const uint64_t begin = now_ns();
  for (long i = 0; i < calls; ++i) {
    (void)getppid();
  }
  printf("%.4f\n", (double)(now_ns() - begin) / (double)calls);
  return 0;
}
