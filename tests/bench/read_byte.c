// Times read() of one byte of /dev/zero. Usage: read_byte CALLS. Prints ns per call.
#include <fcntl.h>
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
  const int fd = open("/dev/zero", O_RDONLY);
  char byte;
  if (fd < 0 || calls < 1 || read(fd, &byte, 1) != 1) {
    fputs("usage: read_byte CALLS\n", stderr);
    return 2;
  }
  const uint64_t begin = now_ns();
  for (long i = 0; i < calls; ++i) {
    if (read(fd, &byte, 1) != 1) {
      return 1;
    }
  }
  printf("%.4f\n", (double)(now_ns() - begin) / (double)calls);
  return 0;
}
