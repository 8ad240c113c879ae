// Times a malloc(64)+free pair. Usage: malloc_pair THREADS PAIRS. Prints ns per pair of the slowest
// thread's own clock time per pair. Nothing but the pair may be in the loop.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long pairs;
static pthread_barrier_t together;

static uint64_t thread_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);  // CPU time: more threads than cores is no noise
  return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void* work(void* result) {
  free(malloc(64));
  pthread_barrier_wait(&together);
  const uint64_t begin = thread_ns();
  for (long i = 0; i < pairs; ++i) {
    void* volatile block = malloc(64);
    free(block);
  }
  *(uint64_t*)result = thread_ns() - begin;
  return NULL;
}

int main(int argc, char** argv) {
  const int threads = argc > 1 ? atoi(argv[1]) : 1;
  pairs = argc > 2 ? atol(argv[2]) : 10000000;
  if (threads < 1 || threads > 64 || pairs < 1) {
    fputs("usage: malloc_pair THREADS(1..64) PAIRS\n", stderr);
    return 2;
  }
  pthread_t ids[64];
  uint64_t spent[64] = {0};
  pthread_barrier_init(&together, NULL, (unsigned)threads);
  for (int i = 1; i < threads; ++i) {
    pthread_create(&ids[i], NULL, work, &spent[i]);
  }
  work(&spent[0]);
  uint64_t sum = spent[0];
  for (int i = 1; i < threads; ++i) {
    pthread_join(ids[i], NULL);
    sum += spent[i];
  }
  printf("%.4f\n", (double)sum / (double)threads / (double)pairs);
  return 0;
}
