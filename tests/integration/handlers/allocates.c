/* Takes and gives back memory in every way there is, from several threads, and prints a checksum.
 * Built with other allocators and another libc by the tests: its output must not change. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kThreads = 4, kRounds = 20000, kHeld = 64 };

static void* work(void* seed) {
  uint64_t state = (uint64_t)(uintptr_t)seed * 2654435761U + 1;
  uint64_t sum = 0;
  unsigned char* held[kHeld] = {0};
  for (int i = 0; i < kRounds; ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    size_t slot = (size_t)(state >> 33) % kHeld;
    size_t size = 1 + (size_t)(state >> 40) % 5000;
    void* block = NULL;
    switch ((state >> 60) % 5) {
      case 0:
        block = malloc(size);
        break;
      case 1:
        block = calloc(1, size);
        break;
      case 2:
        block = realloc(held[slot], size);
        held[slot] = NULL;
        break;
      case 3:
        if (posix_memalign(&block, 64, size) != 0) {
          abort();
        }
        break;
      default:
        block = aligned_alloc(32, (size + 31) / 32 * 32);
    }
    memset(block, (int)(state & 0xFF), size);
    sum += ((unsigned char*)block)[size - 1] + size;
    free(held[slot]);
    held[slot] = block;
  }
  for (int i = 0; i < kHeld; ++i) {
    free(held[i]);
  }
  return (void*)(uintptr_t)sum;
}

int main(void) {
  pthread_t threads[kThreads];
  uint64_t sum = 0;
  for (uintptr_t i = 0; i < kThreads; ++i) {
    pthread_create(&threads[i], NULL, work, (void*)(i + 1));
  }
  for (int i = 0; i < kThreads; ++i) {
    void* result = NULL;
    pthread_join(threads[i], &result);
    sum += (uintptr_t)result;
  }
  printf("%llu\n", (unsigned long long)sum);
  return 3;
}
