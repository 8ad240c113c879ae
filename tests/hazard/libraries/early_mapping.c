// Preloaded behind Lamprey: its constructor runs first, and maps as an allocator's does.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static void need(int good, int line) {
  if (!good) {
    fprintf(stderr, "early_mapping: line %d, errno %d\n", line, errno);
    exit(1);
  }
}

__attribute__((constructor)) static void map_early(void) {
  char* block = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  need(block != MAP_FAILED, __LINE__);
  block[16383] = 1;
  block = mremap(block, 16384, 32768, MREMAP_MAYMOVE);
  need(block != MAP_FAILED && block[16383] == 1, __LINE__);
  char* other = mmap64(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  need(other != MAP_FAILED, __LINE__);
  need(mremap(block, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, other) == other, __LINE__);
  need(madvise(block + 4096, 4096, MADV_DONTNEED) == 0, __LINE__);
  need(munmap(block, 32768) == 0, __LINE__);
  errno = 0;
  need(munmap(block + 1, 4096) == -1 && errno == EINVAL, __LINE__);
  errno = 0;
  need(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 0, 5) == MAP_FAILED && errno == EINVAL, __LINE__);
  errno = 0;
  need(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, -1, 0) == MAP_FAILED && errno == EBADF, __LINE__);
  char* end = sbrk(4096);
  need(end != (char*)-1 && brk(end) == 0 && sbrk(0) == end, __LINE__);
}
