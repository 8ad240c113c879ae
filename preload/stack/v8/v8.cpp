// See v8.h.
#include "preload/stack/v8/v8.h"

#include "preload/stack/v8/async_callers.h"
#include "preload/stack/v8/frames_of_functions.h"
#include "preload/stack/v8/own_code.h"
#include "preload/stack/v8/seen_frames.h"

namespace lamprey::preload::stack::v8 {
namespace {

constexpr char kCollecting[] = "(garbage collection)";

// The first frame that no module's tables cover; native.count: there is none.
std::uint32_t first_without_tables(const NativeFrames& native) {
  std::uint32_t i = 0;
  while (i < native.count && !native.frames[i].without_tables) {
    ++i;
  }
  return i;
}

std::uint32_t behind_last_without_tables(const NativeFrames& native) {
  std::uint32_t i = native.count;
  while (i > 0 && !native.frames[i - 1].without_tables) {
    --i;
  }
  return i;
}

void append_native(const NativeFrames& native, std::uint32_t from, std::uint32_t to, Words& words) {
  for (std::uint32_t i = from; i < to; ++i) {
    words.append(native.frames[i].pc);
  }
}

// While objects are moved no frame can be read: one word stands for all of them.
void append_collecting(const NativeFrames& native, Words& words) {
  append_native(native, 0, first_without_tables(native), words);
  words.append(note_frame(kCollecting));
  append_native(native, behind_last_without_tables(native), native.count, words);
}

void append_javascript(const NativeFrames& native, Words& words) {
  Reading reading(layout(), isolate(), seen_frames::places());
  std::uint32_t behind = 0;  // the outermost function's frame; 0: there is no function
  Word generator = 0;        // that the outermost builtin resumed
  for (std::uint32_t i = 0; i < native.count; ++i) {
    const NativeFrame& frame = native.frames[i];
    const FrameKind kind =
        frame.without_tables ? read_frame(reading, frame, words) : FrameKind::kForeign;
    if (kind == FrameKind::kFunction) {
      behind = i + 1;
    } else if (kind == FrameKind::kForeign && behind == 0) {
      words.append(frame.pc);
    } else if (kind == FrameKind::kBuiltin) {
      const Word there = generator_in(reading.v8, context_of(frame));
      generator = there != 0 ? there : generator;
    }
  }
  append_async_callers(reading, generator, words);
  for (std::uint32_t i = behind; behind != 0 && i < native.count; ++i) {
    const NativeFrame& frame = native.frames[i];
    if (!frame.without_tables || read_frame(reading, frame, words) == FrameKind::kForeign) {
      words.append(frame.pc);
    }
  }
}

}  // namespace

bool merge(const NativeFrames& native, Words& words) {
  if (first_without_tables(native) == native.count) {
    append_native(native, 0, native.count, words);
    return true;
  }
  switch (here()) {
    case Here::kCollecting:
      append_collecting(native, words);
      return false;
    case Here::kJavaScript:
      append_javascript(native, words);
      return false;
    case Here::kNone:
      break;
  }
  append_native(native, 0, native.count, words);
  return true;
}

void attach_child() {
  if (armed()) {
    seen_frames::forget_all();
    own_code::forget_all();
    leave();
  }
}

}  // namespace lamprey::preload::stack::v8
