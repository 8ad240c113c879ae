// See runtime.h.
#include "preload/stack/ruby/runtime.h"

#include "preload/stack/reading/memory_reads.h"

namespace lamprey::preload::stack::ruby {
namespace {

using recording::FrameReader;

constexpr std::uintptr_t kLargestBlock = 4096;  // of a module's thread-local data that is searched
constexpr std::uintptr_t kThreadWords = 12;     // of rb_thread_t: its context is among them

std::uintptr_t thread_pointer() {
  return reinterpret_cast<std::uintptr_t>(__builtin_thread_pointer());
}

// "3.3.8". 0: not Ruby 3.
std::uint16_t minor_of(std::uintptr_t version) {
  char text[4] = {};
  const bool read = read_at(version, text) && text[0] == '3' && text[1] == '.' && text[2] >= '0' &&
                    text[2] <= '9' && text[3] == '.';
  return read ? static_cast<std::uint16_t>(text[2] - '0') : std::uint16_t{0};
}

bool layout_of(std::uint16_t minor, Layout& layout) {
  for (const Layout& known : kLayouts) {
    if (known.minor == minor) {
      layout = known;
      return true;
    }
  }
  return false;
}

template <typename Function>
bool is_there(std::uintptr_t address, Function& function) {
  function = reinterpret_cast<Function>(address);
  return address != 0;
}

// A context knows its thread, which knows its context, and its frames stand at its stack's end.
bool is_context(const Layout& layout, std::uintptr_t context) {
  ControlFrames frames = {};
  std::uintptr_t at = 0;
  if (!control_frames(layout, context, frames) || frames.innermost == 0) {
    return false;
  }
  std::uintptr_t thread[kThreadWords];
  if (!read_at(context + kContextThread, at) || !is_object(at) || !read_at(at, thread)) {
    return false;
  }
  for (const std::uintptr_t word : thread) {
    if (word == context) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool control_frames(const Layout& layout, std::uintptr_t context, ControlFrames& frames) {
  std::uintptr_t words[kContextBytes / sizeof(std::uintptr_t)];
  if (!is_object(context) || !read_at(context, words)) {
    return false;
  }
  const std::uintptr_t stack = words[kContextStack / sizeof(words[0])];
  const std::uint64_t stack_words = words[kContextStackWords / sizeof(words[0])];
  frames.innermost = words[kContextFrame / sizeof(words[0])];
  frames.end = stack + (stack_words * sizeof(words[0]));
  if (frames.innermost == 0) {
    return true;
  }
  return is_object(stack) && stack_words <= kMostStackWords && frames.innermost >= stack &&
         frames.innermost < frames.end && (frames.end - frames.innermost) % layout.frame_bytes == 0;
}

FrameReader find_runtime(const LoadedObject& object, Runtime& runtime) {
  const DynamicSymbols symbols(object);
  const std::uintptr_t version = symbols.find("ruby_version");
  runtime = {};
  if (version == 0 || !is_there(symbols.find("rb_profile_frames"), runtime.profile_frames)) {
    return FrameReader::kAbsent;
  }
  if (!layout_of(minor_of(version), runtime.layout)) {
    return FrameReader::kUnknownVersion;
  }
  if (!is_there(symbols.find("rb_profile_frame_path"), runtime.path_of) ||
      !is_there(symbols.find("rb_profile_frame_label"), runtime.label_of) ||
      !is_there(symbols.find("rb_during_gc"), runtime.is_collecting) ||
      !is_there(symbols.find("ruby_thread_has_gvl_p"), runtime.may_run) ||
      object.thread_block == 0) {
    return FrameReader::kMissing;
  }
  runtime.module_start = object.start;
  runtime.module_end = object.end;
  runtime.thread_block = static_cast<std::intptr_t>(object.thread_block - thread_pointer());
  runtime.thread_block_bytes =
      object.thread_block_bytes < kLargestBlock ? object.thread_block_bytes : kLargestBlock;
  return FrameReader::kOn;
}

// Ruby 3.1 exports ruby_current_ec, later ones do not; to look for it serves for all.
std::uintptr_t find_context(Runtime& runtime) {
  const std::uintptr_t block = thread_pointer() + static_cast<std::uintptr_t>(runtime.thread_block);
  for (std::uintptr_t at = 0; at + sizeof(at) <= runtime.thread_block_bytes; at += sizeof(at)) {
    std::uintptr_t context = 0;
    if (read_at(block + at, context) && context != 0 && is_context(runtime.layout, context)) {
      runtime.context = runtime.thread_block + static_cast<std::intptr_t>(at);
      return context;
    }
  }
  return 0;
}

std::uintptr_t context_of(const Runtime& runtime) {
  const auto* place = reinterpret_cast<const std::uintptr_t*>(
      thread_pointer() + static_cast<std::uintptr_t>(runtime.context));
  return __atomic_load_n(place, __ATOMIC_RELAXED);
}

}  // namespace lamprey::preload::stack::ruby
