// Times two readings of the machine's counter, the floor of what timing a call costs here.
// Usage: counter_pair PAIRS. Prints ns per pair.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline uint64_t counter(void) {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  uint64_t value;
  __asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
  return value;
#endif
}

int main(int argc, char** argv) {
  const long pairs = argc > 1 ? atol(argv[1]) : 1000000;
  volatile uint64_t sink = 0;
  struct timespec begin;
  struct timespec end;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
  for (long i = 0; i < pairs; ++i) {
    sink += counter();
    sink += counter();
  }
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
  const double ns =
      (double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec);
  printf("%.4f\n", ns / (double)pairs);
  return 0;
}
