// See seen_frames.h.
#include "preload/stack/v8/seen_frames.h"

#include "preload/process/thread.h"

namespace lamprey::preload::stack::v8::seen_frames {
namespace {

constexpr std::uint32_t kSeenOfAThread = 128;  // of a thread
Seen g_places[recording::kThreadSlots][kSeenOfAThread];

Seen& place_of(Seen* places, const Frame& frame) {
  const std::uint64_t hash = mix(frame.function ^ (frame.offset >> 24U), frame.pc);
  return places[(hash >> 32U) % kSeenOfAThread];
}

}  // namespace

Seen* places() {
  const recording::ThreadSlot* slot = t_thread.slot;
  return slot != nullptr ? g_places[g_writer.index_of(*slot)] : nullptr;
}

std::uint64_t recall(Reading& reading, const Frame& frame) {
  if (reading.seen == nullptr) {
    return 0;
  }
  const Seen& seen = place_of(reading.seen, frame);
  if (seen.word == 0 || seen.frame.function != frame.function ||
      seen.frame.offset != frame.offset || seen.frame.pc != frame.pc) {
    return 0;
  }
  const Layout& v8 = reading.v8;
  const Object closure(frame.function, v8.function_shared + sizeof(Word));
  const Object shared(seen.shared, v8.shared_literal + sizeof(std::uint32_t));
  if (!closure || closure.word(v8.function_shared) != seen.shared || !shared ||
      shared.word(v8.shared_script) != seen.script ||
      shared.get<std::uint32_t>(v8.shared_literal) != seen.literal) {
    return 0;
  }
  const Script* script = script_of(reading, seen.script);
  return script != nullptr && script->identity == seen.script_identity ? seen.word : 0;
}

void remember(Reading& reading, const Frame& frame, const SharedFunction& function,
              std::uint64_t word) {
  const Object shared(function.word, reading.v8.shared_script + sizeof(Word));
  if (reading.seen != nullptr && shared) {
    place_of(reading.seen, frame) = {frame,
                                     function.word,
                                     shared.word(reading.v8.shared_script),
                                     function.script->identity,
                                     function.literal,
                                     word};
  }
}

void forget_all() {
  for (auto& of_thread : g_places) {
    for (Seen& seen : of_thread) {
      if (seen.word != 0) {
        seen.word = 0;
      }
    }
  }
}

}  // namespace lamprey::preload::stack::v8::seen_frames
