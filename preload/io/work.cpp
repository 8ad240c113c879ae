// What threads wait for on behalf of each other: whose wait a wake-up ends counts as what the
// waking thread had waited for. See descriptors.h.
#include "preload/io/descriptors.h"

namespace lamprey::preload::io {

using recording::load;
using recording::store;

__thread __attribute__((tls_model("initial-exec"))) LastWait t_inherited = {};

Work work_since_waking(const recording::ThreadSlot& slot) {
  Work most = {CallClass::kOther, recording::kLongCallTicks};  // less is no wait
  for (std::uint32_t i = 0; i < recording::kWorkClasses; ++i) {
    const CallClass work = recording::kWork[i];
    const std::uint64_t ticks = load(slot.class_ticks[static_cast<std::uint32_t>(work)]);
    const std::uint64_t before = load(slot.woke_ticks[i]);
    if (ticks > before && ticks - before > most.ticks) {
      most = {work, ticks - before};
    }
  }
  return most;
}

void begin_work(recording::ThreadSlot& slot) {
  t_inherited = {};
  for (std::uint32_t i = 0; i < recording::kWorkClasses; ++i) {
    store(slot.woke_ticks[i],
          load(slot.class_ticks[static_cast<std::uint32_t>(recording::kWork[i])]));
  }
}

// The wait itself is counted only after this.
CallClass handed_on(CallClass spent_on, const Spent& spent) {
  recording::ThreadSlot* slot = current_slot();
  if (slot == nullptr) {
    return spent_on;
  }
  begin_work(*slot);
  t_inherited = {spent_on, spent.ticks, spent.end};
  for (std::uint32_t i = 0; i < recording::kWorkClasses; ++i) {
    if (recording::kWork[i] == spent_on) {
      recording::own_add(slot->woke_ticks[i], spent.ticks);
      if (i < recording::kOutsideClasses) {
        recording::own_add(slot->handed_on_ticks[i], spent.ticks);
      }
    }
  }
  return spent_on;
}

}  // namespace lamprey::preload::io
