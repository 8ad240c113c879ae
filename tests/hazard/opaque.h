// Keeps the compiler from reasoning about values, so that a call which a test makes is a call that
// the program makes: a malloc whose result is unused may otherwise be left out. Nothing else here.
#pragma once

#include <stddef.h>

static inline void* opaque(void* pointer) {
  __asm__ volatile("" : "+r"(pointer) : : "memory");
  return pointer;
}

static inline size_t opaque_size(size_t size) {
  __asm__ volatile("" : "+r"(size));
  return size;
}

static inline int opaque_int(int number) {
  __asm__ volatile("" : "+r"(number));
  return number;
}
