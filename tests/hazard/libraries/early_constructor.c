// A library whose constructor runs before Lamprey's (it has the highest priority there is, and
// ld.so starts with the last of LD_PRELOAD): it allocates, resizes, frees, opens, writes and
// closes. What it leaves open or allocated is given back by its destructor.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void* volatile g_kept;
static int g_null = -1;

__attribute__((constructor(101))) static void early(void) {
  g_kept = malloc(1000);
  void* volatile block = calloc(10, 10);
  block = realloc(block, 2000);
  free(block);
  void* volatile aligned = NULL;
  if (posix_memalign((void**)&aligned, 64, 100) == 0) {
    free(aligned);
  }
  g_null = open("/dev/null", O_WRONLY);
  if (g_null < 0 || write(g_null, "x", 1) != 1) {
    abort();
  }
}

__attribute__((destructor)) static void late(void) {
  free(g_kept);
  free(strdup("after the program's own end"));
  close(g_null);
}
