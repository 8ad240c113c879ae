// Holds much at one place, gives most of it back, and then takes less at another: what was live at
// the peak is the first place's alone. Prints the usable bytes of one block.
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "opaque.h"

enum { kHeld = 100, kKept = 10, kLater = 20, kBytes = 10000 };

static void* g_held[kHeld];
static void* g_later[kLater];

__attribute__((noinline)) static void hold(void) {
  for (int i = 0; i < kHeld; ++i) {
    g_held[i] = opaque(malloc(kBytes));
  }
  opaque(NULL);  // no tail call
}

__attribute__((noinline)) static void take_later(void) {
  for (int i = 0; i < kLater; ++i) {
    g_later[i] = opaque(malloc(kBytes));
    g_later[i] = opaque(realloc(g_later[i], (size_t)2 * kBytes));  // ends the block of malloc
  }
  opaque(NULL);
}

int main(void) {
  hold();
  const size_t usable = malloc_usable_size(g_held[0]);
  for (int i = kKept; i < kHeld; ++i) {
    free(g_held[i]);
  }
  take_later();
  printf("%zu %zu\n", usable, malloc_usable_size(g_later[0]));
  return 0;
}
