// pthread_create: counted as any call; while CPU time is sampled, the new thread is known from its
// first instruction on.
#include "preload/cpu/cpu.h"
#include "preload/hooks/hook.h"
#include "preload/hooks/intercept.h"

// Hooks only, from here on.
using namespace lamprey::preload;         // NOLINT(google-build-using-namespace)
using namespace lamprey::preload::hooks;  // NOLINT(google-build-using-namespace)

LAMPREY_HOOK(int, pthread_create, void* thread, const void* attributes, void* (*start)(void*),
             void* argument) {
  const cpu::ThreadStart known = cpu::known_start(start, argument);
  const int result =
      intercept<Call::k_pthread_create>("pthread_create", g_real.pthread_create, ReturnsError(),
                                        thread, attributes, known.start, known.argument);
  if (result != 0) {
    cpu::not_started(known);
  }
  return result;
}
