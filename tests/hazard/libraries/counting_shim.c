// The referee for the malloc family: an LD_PRELOAD library that counts in the plainest way there
// is, with atomic adds into a file, and knows nothing of Lamprey. It writes $SHIM_DIRECTORY/<pid>:
// nine 64-bit numbers: allocations frees reallocations allocated_bytes freed_bytes failed live
// peak highest_peak.
//
// Another counter behind this one counts at some moment within a call. Before the call and after it
// are the two extremes: `peak` counts a new block after the call and an old one before it, so no
// such counter's peak is lower; `highest_peak` the other way round, so none is higher.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct counts {
  _Atomic int64_t allocations, frees, reallocations, allocated_bytes, freed_bytes, failed, live,
      peak, highest_peak;
};

static struct counts g_before_main;
static struct counts* g_counts = &g_before_main;

#define REAL(result, name, ...)                             \
  static result (*real)(__VA_ARGS__);                       \
  if (real == NULL) {                                       \
    real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name); \
  }

// What an allocator may add to what was asked for: a page, and the alignment that the tests ask
// for.
enum { kMostAdded = 3 * 4096 };

static _Atomic int64_t g_highest;  // live bytes, with those that a call under way may add or remove

static void raise_to(_Atomic int64_t* peak, int64_t now) {
  int64_t known = *peak;
  while (now > known && !atomic_compare_exchange_weak(peak, &known, now)) {
  }
}

static void live(int64_t change) {
  raise_to(&g_counts->peak, atomic_fetch_add(&g_counts->live, change) + change);
}

// Before a call that may make a block of this size. What is too much for any machine is refused.
static int64_t expect(size_t size) {
  const int64_t most = size > (1U << 30U) ? 0 : (int64_t)size + kMostAdded;
  raise_to(&g_counts->highest_peak, atomic_fetch_add(&g_highest, most) + most);
  return most;
}

static void* took(void* block, size_t size, int64_t expected) {
  g_highest += (block != NULL ? (int64_t)malloc_usable_size(block) : 0) - expected;
  if (block != NULL) {
    ++g_counts->allocations;
    g_counts->allocated_bytes += (int64_t)size;
    live((int64_t)malloc_usable_size(block));
  } else if (size != 0) {
    ++g_counts->failed;
  }
  return block;
}

static void gave(int64_t usable) {
  ++g_counts->frees;
  g_counts->freed_bytes += usable;
  live(-usable);
}

__attribute__((constructor)) static void start(void) {
  char path[256];
  const char* directory = getenv("SHIM_DIRECTORY");
  if (directory == NULL) {
    return;
  }
  snprintf(path, sizeof(path), "%s/%d", directory, (int)getpid());
  const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, sizeof(struct counts)) != 0) {
    return;
  }
  struct counts* shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (shared != MAP_FAILED) {
    *shared = g_before_main;
    g_counts = shared;
  }
}

void* malloc(size_t size) {
  REAL(void*, malloc, size_t)
  const int64_t expected = expect(size);
  return took(real(size), size, expected);
}

void free(void* block) {
  REAL(void, free, void*)
  const int64_t usable = block != NULL ? (int64_t)malloc_usable_size(block) : 0;
  if (block != NULL) {
    gave(usable);
  }
  real(block);
  g_highest -= usable;
}

void* calloc(size_t count, size_t size) {
  REAL(void*, calloc, size_t, size_t)
  size_t bytes = 0;
  const int overflow = __builtin_mul_overflow(count, size, &bytes);
  const int64_t expected = expect(overflow ? SIZE_MAX : bytes);
  return took(real(count, size), overflow ? SIZE_MAX : bytes, expected);
}

void* realloc(void* block, size_t size) {
  REAL(void*, realloc, void*, size_t)
  const int64_t expected = expect(size);
  if (block == NULL) {
    return took(real(NULL, size), size, expected);
  }
  const int64_t before = (int64_t)malloc_usable_size(block);
  void* result = real(block, size);
  const int64_t now = result != NULL ? (int64_t)malloc_usable_size(result) : 0;
  g_highest += now - expected - (result != NULL || size == 0 ? before : 0);
  if (result != NULL) {
    ++g_counts->reallocations;
    g_counts->allocated_bytes += (int64_t)size;
    g_counts->freed_bytes += before;
    live(now - before);
  } else if (size == 0) {
    gave(before);
  } else {
    ++g_counts->failed;
  }
  return result;
}

void* reallocarray(void* block, size_t count, size_t size) {
  REAL(void*, reallocarray, void*, size_t, size_t)
  size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes)) {
    ++g_counts->failed;
    return real(block, count, size);
  }
  return realloc(block, bytes);
}

int posix_memalign(void** into, size_t alignment, size_t size) {
  REAL(int, posix_memalign, void**, size_t, size_t)
  const int64_t expected = expect(size);
  const int error = real(into, alignment, size);
  if (error != EINVAL) {
    took(error == 0 ? *into : NULL, size, expected);
  } else {
    g_highest -= expected;
  }
  return error;
}

#define ALIGNED(name)                                   \
  void* name(size_t alignment, size_t size) {           \
    REAL(void*, name, size_t, size_t)                   \
    const int64_t expected = expect(size);              \
    return took(real(alignment, size), size, expected); \
  }
ALIGNED(aligned_alloc)
ALIGNED(memalign)

#define PAGES(name)                          \
  void* name(size_t size) {                  \
    REAL(void*, name, size_t)                \
    const int64_t expected = expect(size);   \
    return took(real(size), size, expected); \
  }
PAGES(valloc)
PAGES(pvalloc)
