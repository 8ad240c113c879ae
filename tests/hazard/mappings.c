// Makes a known number of calls of mmap and its kin and prints, as JSON, what an exact counter must
// show for them, and what of it is still mapped at the end.
//
//   mappings MODE THREADS ROUNDS
//
//   all      every call, in every shape that an allocator makes it; gives all of it back
//   keep     maps, trims, replaces and moves, and keeps a known rest
//   recycle  threads that are given each other's ranges the moment they are unmapped
//   signals  a timer's handler maps and unmaps inside the very same calls
//   fork     children map, and end
//   errors   prints result and errno of calls that fail, and of odd ones that do not
//
// Two runs that differ in ROUNDS alone differ by exactly the printed numbers.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB ((size_t)1024)
enum { kMaxThreads = 64 };

struct expected {
  uint64_t maps, mapped_bytes, unmaps, unmapped_bytes, remaps, failed, discarded_bytes, break_bytes;
  uint64_t live;
};

static struct expected g_expected[kMaxThreads + 1];  // the last: of the signal handler
static int g_rounds;
static const char* g_mode;

static void fail(const char* what) {
  perror(what);
  exit(1);
}

static char* map_at(struct expected* e, void* at, size_t size, int protection, int flags) {
  char* block = mmap(at, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  if (block == MAP_FAILED) {
    fail("mmap");
  }
  if (protection != PROT_NONE) {
    e->maps += 1;
    e->mapped_bytes += size;
  }
  return block;
}

static char* map(struct expected* e, size_t size) {
  return map_at(e, NULL, size, PROT_READ | PROT_WRITE, 0);
}

static void unmap(struct expected* e, char* block, size_t size) {
  if (munmap(block, size) != 0) {
    fail("munmap");
  }
  e->unmaps += 1;
  e->unmapped_bytes += (size + 4095) / 4096 * 4096;
}

static char* remap(struct expected* e, char* block, size_t had, size_t size, int flags, void* to) {
  char* moved =
      flags & MREMAP_FIXED ? mremap(block, had, size, flags, to) : mremap(block, had, size, flags);
  if (moved == MAP_FAILED) {
    fail("mremap");
  }
  e->remaps += 1;
  e->mapped_bytes += size > had ? size - had : 0;
  e->unmapped_bytes += size < had ? had - size : 0;
  return moved;
}

// Head, tail and a middle are given back; what is left is two pieces.
static char* trimmed(struct expected* e, size_t size) {
  char* block = map(e, size);
  unmap(e, block, 64 * KIB);
  unmap(e, block + size - 64 * KIB, 64 * KIB);
  unmap(e, block + size / 2, 64 * KIB);
  return block;
}

static void all_shapes(struct expected* e) {
  char* block = map_at(e, NULL, 512 * KIB, PROT_READ | PROT_WRITE, 0);
  map_at(e, block + 128 * KIB, 64 * KIB, PROT_READ, MAP_FIXED);
  unmap(e, block, 512 * KIB);  // three in one
  unmap(e, map_at(e, NULL, 512 * KIB, PROT_NONE, MAP_NORESERVE), 512 * KIB);
  block = map(e, 256 * KIB);
  map_at(e, block + 64 * KIB, 64 * KIB, PROT_READ, MAP_FIXED);
  map_at(e, block + 128 * KIB, 64 * KIB, PROT_NONE, MAP_FIXED);
  if (madvise(block, 64 * KIB, MADV_DONTNEED) != 0 || madvise(block, 100, MADV_NORMAL) != 0) {
    fail("madvise");
  }
  e->discarded_bytes += 64 * KIB;
  unmap(e, block, 256 * KIB);
  block = remap(e, map(e, 256 * KIB), 256 * KIB, 512 * KIB, MREMAP_MAYMOVE, NULL);
  char* place = map_at(e, NULL, 128 * KIB, PROT_NONE, 0);
  block = remap(e, block, 512 * KIB, 128 * KIB, MREMAP_MAYMOVE | MREMAP_FIXED, place);
  unmap(e, block, 128 * KIB - 100);  // whole pages all the same
  unmap(e, map_at(e, NULL, 4 * KIB, PROT_READ | PROT_WRITE, MAP_POPULATE), 4 * KIB);
  const int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  char* text = mmap(NULL, 8 * KIB, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  unmap(e, text, 8 * KIB);
  e->failed += mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
  e->failed += munmap((void*)1, 4096) != 0;
  e->failed += mremap((void*)4096, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED;
  if (e == g_expected && sbrk(8192) != (void*)-1) {  // the end of the data is the process's
    char* end = sbrk(0);
    e->break_bytes += 8192;
    e->break_bytes += brk(end + 4096) == 0 ? 4096 : 0;
  }
}

// 832 KiB of one, 192 of the replaced, 192 of the grown and moved, 64 of the shrunk, 196 of the
// reserved.
static void keep_some(struct expected* e) {
  trimmed(e, 1024 * KIB);
  e->live += (1024 - 3 * 64) * KIB;
  char* block = map(e, 256 * KIB);
  map_at(e, block + 64 * KIB, 64 * KIB, PROT_READ | PROT_WRITE, MAP_FIXED);
  map_at(e, block + 128 * KIB, 64 * KIB, PROT_NONE, MAP_FIXED);
  e->live += (256 - 64) * KIB;
  char* place = map_at(e, NULL, 192 * KIB, PROT_READ | PROT_WRITE, 0);
  remap(e, map(e, 128 * KIB), 128 * KIB, 192 * KIB, MREMAP_MAYMOVE | MREMAP_FIXED, place);
  e->live += 192 * KIB;
  remap(e, map(e, 256 * KIB), 256 * KIB, 64 * KIB, 0, NULL);
  unmap(e, map(e, 64 * KIB), 64 * KIB);
  e->live += 64 * KIB;
  // As V8: reserves, gives back what is not aligned, opens page by page, closes some.
  char* reserved = map_at(e, NULL, 512 * KIB, PROT_NONE, MAP_NORESERVE);
  unmap(e, reserved, 64 * KIB);
  if (mprotect(reserved + 64 * KIB, 4 * KIB, PROT_READ | PROT_WRITE) != 0 ||
      mprotect(reserved + 64 * KIB, 256 * KIB, PROT_READ | PROT_WRITE) != 0 ||
      mprotect(reserved + 128 * KIB, 64 * KIB, PROT_READ | PROT_EXEC) != 0 ||
      mprotect(reserved + 128 * KIB, 64 * KIB, PROT_NONE) != 0 ||
      mprotect(reserved + 160 * KIB, 4 * KIB, PROT_READ) != 0) {
    fail("mprotect");
  }
  e->live += (256 - 64 + 4) * KIB;
}

// All of one size, so that the kernel gives what one thread unmapped to the next that maps. Who is
// given it keeps it now and then.
static void recycle(struct expected* e) {
  const size_t size = 64 * KIB;
  for (int i = 0; i < 40; ++i) {
    unmap(e, map(e, size), size);
  }
  map(e, size);
  map(e, size);
  e->live += 2 * size;
}

static void fork_once(struct expected* e) {
  char* block = map(e, 128 * KIB);
  const pid_t child = fork();
  if (child == 0) {
    struct expected own = {0};
    munmap(block, 128 * KIB);
    char* other = map(&own, 64 * KIB);
    memset(other, 1, 64 * KIB);
    unmap(&own, remap(&own, other, 64 * KIB, 128 * KIB, MREMAP_MAYMOVE, NULL), 128 * KIB);
    _exit(madvise(sbrk(0), 0, MADV_DONTNEED));
  }
  int status = 1;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
    fail("child");
  }
  unmap(e, block, 128 * KIB);
}

// Both take pages of one mapping: the handler from above, whom it interrupts from below.
#define SHARED (256 * KIB)
#define PAGE (4 * KIB)
static char* g_shared;
static char* volatile g_high;

static void on_timer(int number) {
  (void)number;
  const int saved = errno;
  struct expected* e = &g_expected[kMaxThreads];
  char* block = trimmed(e, 512 * KIB);
  unmap(e, block + 64 * KIB, 192 * KIB);
  unmap(e, block + 320 * KIB, 128 * KIB);
  if (g_high > g_shared + SHARED / 2) {
    g_high -= PAGE;
    unmap(e, g_high, PAGE);
  }
  errno = saved;
}

// One ring a round, at another moment of it each time.
static void map_under_signals(void) {
  struct sigaction action = {.sa_handler = on_timer};
  sigaction(SIGALRM, &action, NULL);
  for (int i = 0; i < g_rounds; ++i) {
    g_shared = map(&g_expected[1], SHARED);
    g_high = g_shared + SHARED;
    const struct itimerval soon = {{0, 0}, {0, 1 + i * 7 % 50}};
    setitimer(ITIMER_REAL, &soon, NULL);
    for (char* low = g_shared; low < g_shared + SHARED / 2; low += PAGE) {
      unmap(&g_expected[1], low, PAGE);
    }
    all_shapes(&g_expected[1]);
    const struct itimerval never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &never, NULL);
    char* high = g_high;
    g_high = NULL;
    if (high > g_shared + SHARED / 2) {
      unmap(&g_expected[1], g_shared + SHARED / 2, (size_t)(high - g_shared) - SHARED / 2);
    }
  }
}

static void print_failure(const char* what, long result) {
  printf("%s %ld %d\n", what, result, result == -1 ? errno : 0);
  errno = 77;
}

static void print_errors(void) {
  char* block = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const size_t huge = (size_t)1 << 62;
  print_failure("size", (long)mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  print_failure("huge", (long)mmap(NULL, huge, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  print_failure("offset", (long)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 0, 100));
  print_failure("descriptor", (long)mmap64(NULL, 4096, PROT_READ, MAP_PRIVATE, -1, 0));
  print_failure("noreplace", (long)mmap(block, 4096, PROT_READ,
                                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
  print_failure("munmap", munmap(block + 1, 4096));
  print_failure("munmap huge", munmap(block, huge * 2));
  print_failure("mremap", (long)mremap(block + 1, 4096, 8192, MREMAP_MAYMOVE));
  print_failure("mremap fixed", (long)mremap(block, 4096, 4096, MREMAP_FIXED, block));
  print_failure("mprotect", mprotect(block + 1, 4096, PROT_NONE));
  print_failure("mprotect none", mprotect((void*)4096, 4096, PROT_READ));
  print_failure("madvise", madvise(block + 1, 4096, MADV_DONTNEED));
  print_failure("advice", madvise(block, 4096, 12345));
  print_failure("brk", brk((void*)16));
  print_failure("sbrk", (long)sbrk(INTPTR_MAX));
  void* good = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  good = mremap(good, 8192, 16384, MREMAP_MAYMOVE);
  const int status = mprotect(good, 8192, PROT_NONE) | madvise(good, 16384, MADV_DONTNEED) |
                     munmap(good, 16384) | munmap(block, 8192);
  printf("good %d, errno stays %d\n", status, errno);
}

static void* work(void* argument) {
  struct expected* e = argument;
  for (int i = 0; i < g_rounds; ++i) {
    if (strcmp(g_mode, "all") == 0) {
      all_shapes(e);
    } else if (strcmp(g_mode, "keep") == 0) {
      keep_some(e);
    } else if (strcmp(g_mode, "recycle") == 0) {
      recycle(e);
    } else if (strcmp(g_mode, "fork") == 0) {
      fork_once(e);
    }
  }
  return NULL;
}

int main(int count, char** words) {
  if (count != 4) {
    fprintf(stderr, "mappings MODE THREADS ROUNDS\n");
    return 2;
  }
  g_mode = words[1];
  g_rounds = atoi(words[3]);
  const int threads = atoi(words[2]);
  pthread_t others[kMaxThreads];
  for (int i = 1; i < threads && i < kMaxThreads; ++i) {
    pthread_create(&others[i], NULL, work, &g_expected[i]);
  }
  work(&g_expected[0]);
  for (int i = 1; i < threads && i < kMaxThreads; ++i) {
    pthread_join(others[i], NULL);
  }
  if (strcmp(g_mode, "signals") == 0) {
    map_under_signals();
  } else if (strcmp(g_mode, "errors") == 0) {
    print_errors();
    return 0;
  }
  struct expected sum = {0};
  for (int i = 0; i <= kMaxThreads; ++i) {
    for (size_t field = 0; field < sizeof(sum) / sizeof(uint64_t); ++field) {
      ((uint64_t*)&sum)[field] += ((const uint64_t*)&g_expected[i])[field];
    }
  }
  printf(
      "{\"maps\":%ju,\"mapped_bytes\":%ju,\"unmaps\":%ju,\"unmapped_bytes\":%ju,\"remaps\":%ju,"
      "\"failed\":%ju,\"discarded_bytes\":%ju,\"break_bytes\":%ju,\"live\":%ju}\n",
      sum.maps, sum.mapped_bytes, sum.unmaps, sum.unmapped_bytes, sum.remaps, sum.failed,
      sum.discarded_bytes, sum.break_bytes, sum.live);
  return 0;
}
