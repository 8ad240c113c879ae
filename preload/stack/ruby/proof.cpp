// See proof.h. When Ruby may be asked: rb_profile_frames() crashes where the interpreter is not
// there yet, or no longer; the thread must hold its lock, and the collector must not run. That a
// whole chain could be read says the first, Ruby itself the others.
#include "preload/stack/ruby/proof.h"

#include "preload/stack/reading/memory_reads.h"
#include "preload/stack/ruby/iseqs.h"
#include "preload/stack/ruby/strings.h"

namespace lamprey::preload::stack::ruby {
namespace {

constexpr std::uint32_t kFewest = 2;
constexpr int kMost = 32;

bool is_string(std::uintptr_t object) {
  std::uint64_t flags = 0;
  return is_object(object) && read_at(object, flags) && (flags & kTypeMask) == kTypeString;
}

// Names and paths have neither control characters nor bytes that are none (which a read from the
// wrong place has; it gives no bytes, or U+FFFD).
bool is_plain(const Layout& layout, std::uintptr_t string) {
  constexpr std::uint32_t kBytes = 64;
  char text[kBytes * kMaxBytesOfByte];
  const std::uint32_t size = read_string(layout, string, Kept::kStart, kBytes, text);
  bool plain = size != 0;
  for (std::uint32_t i = 0; i < size; ++i) {
    const bool replaced = size - i >= kMaxBytesOfByte &&
                          __builtin_memcmp(text + i, kReplacement, kMaxBytesOfByte) == 0;
    plain = plain && static_cast<unsigned char>(text[i]) >= ' ' && !replaced;
  }
  return plain;
}

// Of a block Ruby tells the name of the method that it stands in, which the block's code has, too.
bool has_name(const Runtime& runtime, const Frame& read, std::uintptr_t frame) {
  const std::uintptr_t told = runtime.label_of(frame);
  const std::uintptr_t label = label_object(read.body);
  std::uintptr_t of_method = 0;
  return told == label ||
         (is_string(label) && read_at(read.body + kBodyBaseLabel, of_method) && told == of_method);
}

bool is_same(const Runtime& runtime, const Frame& read, std::uintptr_t frame, int line) {
  const std::uintptr_t path = path_object(read.body);
  if (runtime.path_of(frame) != path || !has_name(runtime, read, frame) ||
      !is_plain(runtime.layout, path) || !is_plain(runtime.layout, label_object(read.body))) {
    return false;
  }
  // Of code that was compiled at run time neither may know the line.
  return read.position < 0 || line <= 0 ||
         line_at(runtime.layout, read.body, read.position) == static_cast<std::uint32_t>(line);
}

bool frames_are_as_read(const Runtime& runtime, const Chain& chain) {
  std::uintptr_t frames[kMost];
  int lines[kMost];
  const int count = runtime.profile_frames(0, kMost, frames, lines);
  std::uint32_t compared = 0;
  for (int i = 0; i < count && i < kMost; ++i) {
    if (!is_string(runtime.path_of(frames[i]))) {
      continue;  // a function in C: it is not among those that are read
    }
    if (compared < chain.count && is_same(runtime, chain.frames[compared], frames[i], lines[i])) {
      ++compared;
    } else if (lines[i] > 0) {  // Ruby 3.1 tells of code that has not begun, too
      return compared == chain.count && chain.cut;
    }
  }
  return compared >= kFewest && (compared == chain.count || count == kMost);
}

}  // namespace

Proof compare(const Runtime& runtime, const Chain& chain) {
  if (chain.count < kFewest || runtime.may_run() == 0 || runtime.is_collecting() != 0) {
    return Proof::kNotYet;
  }
  return frames_are_as_read(runtime, chain) ? Proof::kSame : Proof::kOther;
}

}  // namespace lamprey::preload::stack::ruby
