// See recent_stacks.h. Only the thread that owns a slot, and its signal handlers, touch its places.
#include "preload/stack/recent_stacks.h"

#include "preload/base/page_probe.h"

namespace lamprey::preload::stack::recent_stacks {
namespace {

using recording::load;
using recording::store;

constexpr std::uint32_t kPlaces = 4;  // of a thread: a loop seldom waits in more ways

constinit Recent g_places[recording::kThreadSlots][kPlaces] =
    {};  // touched as threads wait: 7 KB each
std::uint32_t g_forgotten = 1;

// Stacks of other module generations are other stacks; see Header::generation.
std::uint64_t epoch() {
  return (std::uint64_t{load(g_forgotten)} << 32U) | load(g_writer.header().generation);
}

// A bit of a trace's base: it has words in other pages than its frame's. A guess may have led
// there, and they may have been unmapped since.
constexpr std::uintptr_t kFar = 1;

std::uintptr_t last_word(const unwind::Trace& trace, std::uintptr_t frame) {
  return frame + (trace.count != 0 ? trace.at[trace.count - 1] * sizeof(std::uint64_t) : 0);
}

// The stack there, if each word is what it was; 0: not.
[[gnu::always_inline]] inline std::uint32_t stack_if_same(const Recent& place,
                                                          std::uintptr_t frame) {
  const unwind::Trace& trace = place.trace;
  const auto* stack = reinterpret_cast<const std::uint64_t*>(frame);
  for (std::uint32_t i = 0; i < trace.count; ++i) {
    // In the order of the walk: a word is read only below frames that are still there.
    if (load(stack[trace.at[i]]) != trace.words[i]) {
      return 0;
    }
  }
  return place.stack;
}

std::uint32_t __attribute__((noinline)) recall_far(const Recent& place, std::uintptr_t frame) {
  const std::uintptr_t bytes = last_word(place.trace, frame) - frame + sizeof(std::uint64_t);
  return place.trace.base == (frame | kFar) && page_probe::readable(frame, bytes)
             ? stack_if_same(place, frame)
             : 0;
}

}  // namespace

Recent* place_for(std::uintptr_t frame, const void* caller) {
  const recording::ThreadSlot* slot = t_thread.slot;
  if (slot == nullptr) {
    return nullptr;
  }
  const std::uintptr_t which = (frame >> 4U) ^ (reinterpret_cast<std::uintptr_t>(caller) >> 2U);
  return &g_places[g_writer.index_of(*slot)][(which ^ (which >> 6U)) % kPlaces];
}

std::uint32_t recall(const Recent& place, std::uintptr_t frame, std::uint64_t chain) {
  if (load(place.epoch) != epoch() || place.chain != chain ||
      place.owner != load(t_thread.slot->generation)) {
    return 0;
  }
  return place.trace.base == frame ? stack_if_same(place, frame) : recall_far(place, frame);
}

bool begin(Recent& place, std::uintptr_t frame, std::uint64_t chain) {
  if (place.filling) {
    return false;
  }
  store(place.filling, true);
  store(place.epoch, 0);
  recording::order_for_handlers();
  place.began = epoch();
  place.trace.base = frame;
  place.chain = chain;
  return true;
}

void end(Recent& place, std::uint32_t stack) {
  place.owner = load(t_thread.slot->generation);
  place.stack = stack;
  const std::uintptr_t frame = place.trace.base;
  if ((frame ^ last_word(place.trace, frame)) >= page_probe::kPage) {
    place.trace.base = frame | kFar;
  }
  recording::order_for_handlers();
  store(place.epoch, place.trace.complete && stack != 0 ? place.began : 0);
  store(place.filling, false);
}

void forget_all() { recording::shared_add(g_forgotten, 1); }

}  // namespace lamprey::preload::stack::recent_stacks
