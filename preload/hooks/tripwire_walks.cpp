// For tests, in builds with the tripwire only: both walkers, for a program that compares them at
// one instant (tests/hazard/signal_walks.cpp). Nothing else may be exported here.
#include "preload/stack/modules.h"
#include "preload/stack/signal_walk.h"
#include "preload/stack/unwind.h"

#if defined(LAMPREY_TRIPWIRE)

#define LAMPREY_EXPORT extern "C" __attribute__((visibility("default")))

LAMPREY_EXPORT unsigned lamprey_walk_by_libunwind(const void* context, std::uint64_t* frames,
                                                  unsigned capacity) {
  return lamprey::preload::stack::signal_walk::walk(context, frames, capacity).depth;
}

LAMPREY_EXPORT unsigned lamprey_walk_by_ours(std::uint64_t* frames, unsigned capacity) {
  const lamprey::preload::stack::modules::Range own = lamprey::preload::stack::modules::own();
  lamprey::preload::stack::unwind::Trace unused;
  unused.base = UINTPTR_MAX;
  return lamprey::preload::stack::unwind::walk(frames, capacity, own.begin, own.end, unused).depth;
}

#endif
