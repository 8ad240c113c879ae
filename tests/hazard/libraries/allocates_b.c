/* A library whose one function allocates 3003 bytes; laid out like allocates_a.c's. */
#include <stdlib.h>
void* allocate(void) {
  void* block = malloc(3003);
  __asm__ volatile("" : "+r"(block));
  return block;
}
