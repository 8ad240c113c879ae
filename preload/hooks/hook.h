// How a hook written by hand is defined: under libc's name for the linker, under one of its own in
// C++, because libc's headers declare many of these functions with attributes (throw(), malloc)
// that a hook must not have. Hooks that need nothing but their row: calls.cpp.
#pragma once

#define LAMPREY_HOOK(result, symbol, ...)           \
  extern "C" __attribute__((visibility("default"))) \
  result hook_##symbol(__VA_ARGS__) asm(#symbol);   \
  result hook_##symbol(__VA_ARGS__)
