// Times lstat() of one path. Usage: lstat_path CALLS PATH. Prints ns of CPU time per call.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

int main(int argc, char** argv) {
  if (argc != 3 || atol(argv[1]) < 1) {
    fputs("usage: lstat_path CALLS PATH\n", stderr);
    return 2;
  }
  const long calls = atol(argv[1]);
  struct stat status;
  lstat(argv[2], &status);
  const uint64_t begin = now_ns();
  for (long i = 0; i < calls; ++i) {
    if (lstat(argv[2], &status) != 0) {
      perror(argv[2]);
      return 1;
    }
  }
  printf("%.4f\n", (double)(now_ns() - begin) / (double)calls);
  return 0;
}
