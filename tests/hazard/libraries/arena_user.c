// Allocates by the four functions that every allocator has, and prints, as JSON, what an exact
// counter must show. It never asks for a usable size.
//
//   arena_user ROUNDS
//
// Two runs that differ in ROUNDS alone differ by exactly the printed numbers. -DSIZED: frees by
// C23's free_sized and free_aligned_sized, where there is such a function.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "../opaque.h"

static void give(void* block, size_t size) {
#ifdef SIZED
  void (*sized)(void*, size_t) = dlsym(RTLD_DEFAULT, "free_sized");
  void (*aligned)(void*, size_t, size_t) = dlsym(RTLD_DEFAULT, "free_aligned_sized");
  if (sized == NULL || aligned == NULL) {
    fputs("arena_user: there is no free_sized\n", stderr);
    exit(1);
  }
  size % 2 == 0 ? sized(opaque(block), size) : aligned(opaque(block), 16, size);
#else
  free(opaque(block));
#endif
}

int main(int count, char** arguments) {
  const size_t rounds = count > 1 ? (size_t)atoi(arguments[1]) : 0;
  size_t bytes = 0;
  for (size_t round = 0; round < rounds; ++round) {
    const size_t size = round % 61 * 37 + 1;
    void* plain = opaque(malloc(size));
    void* zeroed = opaque(calloc(3, size));
    void* grown = opaque(realloc(opaque(NULL), size));
    grown = opaque(realloc(grown, 10 * size));
    give(plain, size);
    give(zeroed, 3 * size);
    give(grown, 10 * size);
    bytes += size + 3 * size + size + 10 * size;
  }
  printf(
      "{\"allocations\":%zu,\"frees\":%zu,\"reallocations\":%zu,\"allocated_bytes\":%zu,\"failed\":"
      "0}\n",
      3 * rounds, 3 * rounds, rounds, bytes);
  return 0;
}
