// Makes a known number of calls of every entry point of the malloc family and prints, as JSON, what
// an exact counter must show for them. Bytes are what malloc_usable_size says, asked by the program
// itself. Also builds against musl, as a static program and with another allocator linked in.
//
//   allocations THREADS ROUNDS [handover]
//
// Two runs that differ in ROUNDS alone differ by exactly the printed numbers. `handover`: every
// block is freed by another thread than the one that allocated it.
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "opaque.h"

struct expected {
  uint64_t allocations, frees, reallocations, allocated_bytes, freed_bytes, failed;
};

enum { kMaxThreads = 64, kHanded = 7 };

static struct expected g_expected[kMaxThreads];
static void* g_handed[kMaxThreads][kHanded];
static pthread_barrier_t g_barrier;
static int g_threads;
static int g_rounds;
static int g_handover;
static int g_has_pvalloc;

static void fail(const char* what) {
  fprintf(stderr, "allocations: %s\n", what);
  exit(1);
}

static void* took(struct expected* e, void* block, size_t size) {
  block = opaque(block);
  if (block == NULL) {
    fail("an allocation failed");
  }
  ++e->allocations;
  e->allocated_bytes += size;
  return block;
}

static void give(struct expected* e, void* block) {
  if (block != NULL) {
    ++e->frees;
    e->freed_bytes += malloc_usable_size(block);
  }
  free(opaque(block));
}

static void* resize(struct expected* e, void* block, size_t size, int by_array) {
  const size_t before = malloc_usable_size(block);
  void* moved =
      opaque(by_array ? reallocarray(block, size / 8, opaque_size(8)) : realloc(block, size));
  if (moved == NULL) {
    fail("realloc failed");
  }
  ++e->reallocations;
  e->allocated_bytes += size;
  e->freed_bytes += before;
  return moved;
}

static void refused(struct expected* e, void* block, const char* what) {
  if (opaque(block) != NULL) {  // what errno is then, errno_kept.c looks at
    fail(what);
  }
  ++e->failed;
}

// Every way to get a block, and blocks of the heap as well as mappings of their own.
static void take_all(struct expected* e, void** blocks, int round) {
  const size_t size = (size_t)(round % 61) * 37 + 1;
  blocks[0] = took(e, malloc(size), size);
  blocks[1] = took(e, calloc(3, size), 3 * size);
  blocks[2] = took(e, realloc(opaque(NULL), size), size);
  blocks[3] = took(e, reallocarray(opaque(NULL), 5, size), 5 * size);
  blocks[4] = NULL;
  if (posix_memalign(&blocks[4], 64, size) != 0) {
    fail("posix_memalign");
  }
  took(e, blocks[4], size);
  blocks[5] =
      took(e, aligned_alloc(128, 128 * (size_t)(1 + round % 3)), 128 * (size_t)(1 + round % 3));
  const size_t large = round % 16 == 0 ? 300000 : 40;
  blocks[6] = took(e, malloc(large), large);
}

static void change(struct expected* e, void** blocks, int round) {
  blocks[0] = resize(e, blocks[0], 5000, 0);                      // up
  blocks[1] = resize(e, blocks[1], 8, 1);                         // down
  blocks[2] = resize(e, blocks[2], round % 32 ? 96 : 400000, 0);  // into a mapping
  blocks[6] = resize(e, blocks[6], 500000, 0);                    // mremap
}

static void refuse(struct expected* e, void** blocks) {
  const size_t huge = opaque_size((size_t)PTRDIFF_MAX - 4096);
  refused(e, malloc(huge), "malloc of too much");
  refused(e, calloc(huge, opaque_size(16)), "calloc overflow");
  refused(e, realloc(blocks[0], huge), "realloc to too much");
  refused(e, reallocarray(blocks[0], huge, opaque_size(16)), "reallocarray overflow");
  void* none = NULL;
  if (posix_memalign(&none, 64, huge) != ENOMEM) {
    fail("posix_memalign of too much");
  }
  ++e->failed;
  if (posix_memalign(&none, opaque_size(3), 8) != EINVAL) {  // not an allocation at all
    fail("posix_memalign by 3");
  }
}

#ifdef __GLIBC__
static void take_rare(struct expected* e) {
  give(e, took(e, memalign(256, 100), 100));
  give(e, took(e, valloc(100), 100));
  if (g_has_pvalloc) {
    give(e, took(e, pvalloc(100), 100));
  }
  give(e, took(e, opaque(strdup("by way of malloc")), 17));
  void* block = took(e, malloc(10), 10);
  const size_t before = malloc_usable_size(block);
  errno = 4711;
  block = opaque(realloc(block, opaque_size(0)));
  if (errno != 4711) {
    fail("realloc to 0");
  }
  e->freed_bytes += before;
  if (block == NULL) {  // glibc frees
    e->frees += 1;
  } else {  // jemalloc gives the smallest block
    e->reallocations += 1;
    give(e, block);
  }
}
#else
static void take_rare(struct expected* e) { (void)e; }
#endif

static void* run(void* argument) {
  const int self = (int)(intptr_t)argument;
  struct expected* e = &g_expected[self];
  for (int round = 0; round < g_rounds; ++round) {
    void** blocks = g_handed[self];
    take_all(e, blocks, round);
    change(e, blocks, round);
    refuse(e, blocks);
    take_rare(e);
    give(e, NULL);
    if (g_handover) {
      pthread_barrier_wait(&g_barrier);
      blocks = g_handed[(self + 1) % g_threads];
    }
    for (int i = 0; i < kHanded; ++i) {
      give(e, blocks[i]);
    }
    if (g_handover) {
      pthread_barrier_wait(&g_barrier);
    }
  }
  return NULL;
}

int main(int count, char** arguments) {
  // A buffer that stdio took itself would be live at the end, and a few bytes larger where glibc
  // finds a free chunk whose rest is too small to split off.
  static char output[BUFSIZ];
  setvbuf(stdout, output, _IOFBF, sizeof(output));
  g_threads = count > 1 ? atoi(arguments[1]) : 0;
  g_rounds = count > 2 ? atoi(arguments[2]) : 0;
  g_handover = count > 3;
  g_has_pvalloc = getenv("ALLOCATOR_WITHOUT_PVALLOC") == NULL;  // then libc's would be mixed in
  if (g_threads < 1 || g_threads > kMaxThreads) {
    fail("usage: allocations THREADS(1..64) ROUNDS [handover]");
  }
  pthread_t threads[kMaxThreads] = {0};
  pthread_barrier_init(&g_barrier, NULL, (unsigned)g_threads);
  for (intptr_t i = 1; i < g_threads; ++i) {
    pthread_create(&threads[i], NULL, run, (void*)i);
  }
  run(NULL);
  struct expected sum = g_expected[0];
  for (int i = 1; i < g_threads; ++i) {
    pthread_join(threads[i], NULL);
    sum.allocations += g_expected[i].allocations;
    sum.frees += g_expected[i].frees;
    sum.reallocations += g_expected[i].reallocations;
    sum.allocated_bytes += g_expected[i].allocated_bytes;
    sum.freed_bytes += g_expected[i].freed_bytes;
    sum.failed += g_expected[i].failed;
  }
  printf(
      "{\"allocations\":%llu,\"frees\":%llu,\"reallocations\":%llu,\"allocated_bytes\":%llu,"
      "\"freed_bytes\":%llu,\"failed\":%llu}\n",
      (unsigned long long)sum.allocations, (unsigned long long)sum.frees,
      (unsigned long long)sum.reallocations, (unsigned long long)sum.allocated_bytes,
      (unsigned long long)sum.freed_bytes, (unsigned long long)sum.failed);
  return 0;
}
