// The timeline; see the header.
#include "preload/hooks/timeline.h"

#include "preload/base/ticks.h"
#include "preload/io/awaited.h"
#include "preload/process/thread.h"
#include "preload/stack/stacks.h"

namespace lamprey::preload::hooks::timeline {

void note(const recording::ThreadSlot& slot, recording::Call call, recording::CallClass spent_on,
          const io::Spent& spent) {
  // ticks_for() may be wrong by half: readers leave out what was shorter.
  if (spent.ticks < ticks_for(recording::kLeastWaitNs) / 2) {
    return;
  }
  const std::uint32_t awaited =
      (spent.awaited & io::kAwaitedDescriptor) != 0
          ? io::awaited_on(static_cast<int>(io::target_in(spent.awaited)), spent.awaited)
          : spent.awaited;
  const std::uint32_t target = io::target_in(awaited);
  if (target != 0 && target <= recording::kTargets &&
      (recording::load(g_writer.target_at(target - 1).flags) & recording::kTargetRuntimeApi) != 0) {
    return;
  }
  const std::uint32_t before = recording::load(slot.in_flight.stack);
  const bool connects = call == recording::Call::k_connect;
  g_writer.add_wait({spent.end, spent.ticks, static_cast<std::uint16_t>(call), spent_on,
                     connects ? recording::WaitPhase::kConnect : io::phase_in(awaited), target,
                     recording::load(slot.tid), before != 0 ? before : stack::capture()});
}

}  // namespace lamprey::preload::hooks::timeline
