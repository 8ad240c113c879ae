// See interrupted.h.
#include "preload/stack/interrupted.h"

#include "preload/base/interrupted_registers.h"
#include "preload/base/page_probe.h"
#include "preload/stack/modules.h"
#include "preload/stack/signal_walk.h"
#include "preload/stack/unwind.h"

namespace lamprey::preload::stack::interrupted {
namespace {

// Whether libunwind's walk has room on this stack. A small thread's ends in a page that cannot be
// read. (The main thread's grows as it is used: there the answer may be no where there is room.)
bool has_room() {
  constexpr std::uintptr_t kMargin = 4096;
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const std::uintptr_t lowest = here - signal_walk::kStackNeeded - kMargin;
  for (std::uintptr_t at = lowest; at < here; at += page_probe::kPage) {
    if (!page_probe::readable(at, 1)) {
      return false;
    }
  }
  return true;
}

}  // namespace

void walk(const void* context, NativeFrames& native) {
  const modules::Range own = modules::own();
  const InterruptedRegisters at = interrupted_registers(context);
  if (!unwind::walk_interrupted(native, at, own.begin, own.end) && has_room()) {
    signal_walk::walk_frames(context, native);
  }
}

}  // namespace lamprey::preload::stack::interrupted
