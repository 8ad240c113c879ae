/* A library whose one function allocates 1001 bytes. */
#include <stdlib.h>
void* allocate(void) {
  void* block = malloc(1001);
  __asm__ volatile("" : "+r"(block));
  return block;
}
