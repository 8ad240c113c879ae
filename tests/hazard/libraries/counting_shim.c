// The referee for the malloc family: an LD_PRELOAD library that counts in the plainest way there
// is, with atomic adds into a file, and knows nothing of Lamprey. It writes $SHIM_DIRECTORY/<pid>:
// eight 64-bit numbers: allocations frees reallocations allocated_bytes freed_bytes failed live
// peak.
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
      peak;
};

static struct counts g_before_main;
static struct counts* g_counts = &g_before_main;

#define REAL(result, name, ...)                             \
  static result (*real)(__VA_ARGS__);                       \
  if (real == NULL) {                                       \
    real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name); \
  }

static void live(int64_t change) {
  const int64_t now = atomic_fetch_add(&g_counts->live, change) + change;
  int64_t peak = g_counts->peak;
  while (now > peak && !atomic_compare_exchange_weak(&g_counts->peak, &peak, now)) {
  }
}

static void* took(void* block, size_t size) {
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
  return took(real(size), size);
}

void free(void* block) {
  REAL(void, free, void*)
  if (block != NULL) {
    gave((int64_t)malloc_usable_size(block));
  }
  real(block);
}

void* calloc(size_t count, size_t size) {
  REAL(void*, calloc, size_t, size_t)
  size_t bytes = 0;
  const int overflow = __builtin_mul_overflow(count, size, &bytes);
  return took(real(count, size), overflow ? SIZE_MAX : bytes);
}

void* realloc(void* block, size_t size) {
  REAL(void*, realloc, void*, size_t)
  if (block == NULL) {
    return took(real(NULL, size), size);
  }
  const int64_t before = (int64_t)malloc_usable_size(block);
  void* result = real(block, size);
  if (result != NULL) {
    ++g_counts->reallocations;
    g_counts->allocated_bytes += (int64_t)size;
    g_counts->freed_bytes += before;
    live((int64_t)malloc_usable_size(result) - before);
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
  const int error = real(into, alignment, size);
  if (error != EINVAL) {
    took(error == 0 ? *into : NULL, size);
  }
  return error;
}

#define ALIGNED(name)                         \
  void* name(size_t alignment, size_t size) { \
    REAL(void*, name, size_t, size_t)         \
    return took(real(alignment, size), size); \
  }
ALIGNED(aligned_alloc)
ALIGNED(memalign)

#define PAGES(name)                \
  void* name(size_t size) {        \
    REAL(void*, name, size_t)      \
    return took(real(size), size); \
  }
PAGES(valloc)
PAGES(pvalloc)
