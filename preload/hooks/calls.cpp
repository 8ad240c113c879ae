// The hooks that need nothing but their row in the tables of symbols.def. Those written by hand:
// calls_irregular.cpp.
#include "preload/hooks/sample_signals.h"
#include "preload/hooks/waits.h"

// Each hook has a name of its own in C++ and libc's name for the linker: libc's headers declare
// many of these with `throw()`, which a wrapper of a cancellation point must not be.
#define HOOK(row, result, symbol, parameters, arguments, policy)                                  \
  extern "C" __attribute__((visibility("default"))) result hook_##symbol parameters asm(#symbol); \
  result hook_##symbol parameters {                                                               \
    using namespace lamprey::preload;                                                             \
    using namespace lamprey::preload::hooks;                                                      \
    return intercept<Call::k_##row>(#symbol, g_real.symbol, policy LAMPREY_ARGUMENTS arguments);  \
  }
#define LAMPREY_ARGUMENTS(...) __VA_OPT__(, ) __VA_ARGS__
#define IRREGULAR(result, symbol, parameters)
#define ALIAS(result, symbol, parameters)
#include "preload/libc/symbols.def"
#undef IRREGULAR
#undef ALIAS
#undef LAMPREY_ARGUMENTS
#undef HOOK
