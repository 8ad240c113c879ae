// Fifty functions that take known shares of the CPU time: function i is called (i % 10) + 1 times
// as often as function 0, in an order that has no beat. Prints where each begins and how often it
// was called.
//
//   cpu_shares CPU_MS
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static volatile unsigned long g_sink;
static long g_calls[50];

#define TEN(X, n) X(n##0) X(n##1) X(n##2) X(n##3) X(n##4) X(n##5) X(n##6) X(n##7) X(n##8) X(n##9)
#define ALL(X) TEN(X, 1) TEN(X, 2) TEN(X, 3) TEN(X, 4) TEN(X, 5)
#define DEFINE(n)                                    \
  __attribute__((noinline)) void share_##n(void) {   \
    for (int i = 0; i < 20000; ++i) {                \
      g_sink += (unsigned long)i ^ (unsigned long)n; \
    }                                                \
    ++g_calls[n - 10];                               \
  }
ALL(DEFINE)
#define NAME(n) share_##n,
static void (*const kShares[50])(void) = {ALL(NAME)};

int main(int count, char** arguments) {
  const long ms = count > 1 ? atol(arguments[1]) : 1000;
  int bag[275];
  int size = 0;
  for (int i = 0; i < 50; ++i) {
    for (int k = 0; k <= i % 10; ++k) {
      bag[size++] = i;
    }
  }
  unsigned long random = 88172645463325252UL;
  struct timespec now = {0, 0};
  while (now.tv_sec * 1000 + now.tv_nsec / 1000000 < ms) {
    for (int i = 0; i < 1000; ++i) {
      random ^= random << 13;
      random ^= random >> 7;
      random ^= random << 17;
      kShares[bag[random % 275]]();
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  }
  for (int i = 0; i < 50; ++i) {
    printf("%lu %ld\n", (unsigned long)kShares[i], g_calls[i]);
  }
  return 0;
}
