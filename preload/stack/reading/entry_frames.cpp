// See entry_frames.h. By modules, not by names: programs are stripped.
#include "preload/stack/reading/entry_frames.h"

namespace lamprey::preload::stack {
inline namespace reading {
namespace entry_frames {
namespace {

// Written at attach, before anybody captures; neither is ever unloaded.
struct Range {
  std::uintptr_t start;
  std::uintptr_t end;
  bool holds(std::uint64_t pc) const { return pc >= start && pc < end; }
};
constinit Range g_program = {};
constinit Range g_libc = {};

}  // namespace

void module_came(const LoadedObject& object) {
  if (g_program.end == 0) {
    g_program = {object.start, object.end};
  } else if (g_libc.end == 0 && DynamicSymbols(object).find("__libc_start_main") != 0) {
    g_libc = {object.start, object.end};
  }
}

std::uint32_t count_in(const NativeFrames& native) {
  std::uint32_t left = native.count;
  const auto last_is_of = [&native, &left](const Range& range) {
    return left > 0 && range.holds(native.frames[left - 1].pc);
  };
  if (native.cut) {
    return 0;
  }
  const bool start = last_is_of(g_program);  // _start
  left -= start ? 1 : 0;
  const std::uint32_t before = left;
  while (last_is_of(g_libc)) {
    --left;
  }
  if (left == before) {
    return 0;
  }
  left -= start && last_is_of(g_program) ? 1 : 0;  // main
  return native.count - left;
}

}  // namespace entry_frames
}  // namespace reading
}  // namespace lamprey::preload::stack
