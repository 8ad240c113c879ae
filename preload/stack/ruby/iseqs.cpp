// See iseqs.h.
#include "preload/stack/ruby/iseqs.h"

#include "preload/process/thread.h"
#include "preload/stack/reading/functions.h"
#include "preload/stack/reading/memory_reads.h"
#include "preload/stack/ruby/line_tables.h"
#include "preload/stack/ruby/strings.h"

namespace lamprey::preload::stack::ruby {
namespace {

// A path is a String, or an Array of the path as it was asked for and the whole one (nil for code
// that was made from text).
enum class Path : std::uint8_t { kAsked, kWhole };

std::uintptr_t path_in(std::uintptr_t body, Path which) {
  std::uintptr_t object = 0;
  std::uint64_t flags = 0;
  if (!read_at(body + kBodyPath, object) || !is_object(object) || !read_at(object, flags)) {
    return 0;
  }
  if ((flags & kTypeMask) != kTypeArray) {
    return object;
  }
  std::uintptr_t items = object + kArrayInsideItems;
  std::uintptr_t two[2] = {};
  if (((flags & kArrayInside) == 0 && !read_at(object + kArrayPointer, items)) ||
      !read_at(items, two)) {
    return 0;
  }
  return which == Path::kWhole && is_object(two[1]) ? two[1] : two[0];
}

std::uint32_t first_line_of(const Layout& layout, std::uintptr_t body) {
  std::int64_t line = 0;
  if (layout.line_is_object) {
    line = read_at(body + kBodyFirstLine, line) ? line >> 1U : 0;
  } else {
    std::int32_t number = 0;
    line = read_at(body + kBodyFirstLine, number) ? number : 0;
  }
  return line > 0 && line <= recording::kMaxLines ? static_cast<std::uint32_t>(line) : 0;
}

// Whose name a stack shows for that code.
std::uintptr_t named_body(const Layout& layout, std::uintptr_t body) {
  constexpr int kDeepest = 16;
  for (int i = 0; layout.minor >= kFirstWithParents && i < kDeepest; ++i) {
    std::uint32_t kind = 0;
    std::uintptr_t parent = 0;
    std::uint64_t flags = 0;
    std::uintptr_t next = 0;
    const bool nameless = read_at(body + kBodyKind, kind) &&
                          (kind == kKindRescue || kind == kKindEnsure || kind == kKindEval);
    if (!nameless || !read_at(body + kBodyParent, parent) || !is_object(parent) ||
        !read_at(parent, flags) || !is_iseq(flags) || !read_at(parent + kIseqBody, next)) {
      break;
    }
    body = next;
  }
  return body;
}

std::uint32_t add(const Layout& layout, const Frame& frame) {
  constexpr std::uint32_t kCharacter = 4;  // so that a cut is seen, and falls behind what is kept
  constexpr std::uint32_t kNameBytes = recording::kMaxFunctionName + kCharacter;
  constexpr std::uint32_t kPathBytes = recording::kMaxSourcePath + kCharacter;
  char name[kNameBytes * kMaxBytesOfByte];
  char path[kPathBytes * kMaxBytesOfByte];
  if (recording::load(g_writer.header().functions_used) >= recording::kFunctions) {
    recording::shared_add(g_writer.header().functions_refused, 1);
    return 0;
  }
  const std::uint32_t name_bytes = read_string(layout, label_object(named_body(layout, frame.body)),
                                               Kept::kStart, kNameBytes, name);
  const std::uint32_t path_bytes =
      read_string(layout, path_in(frame.body, Path::kWhole), Kept::kEnd, kPathBytes, path);
  return functions::add(frame.identity, recording::Language::kRuby, {name, name_bytes},
                        {path, path_bytes}, first_line_of(layout, frame.body));
}

}  // namespace

std::uintptr_t path_object(std::uintptr_t body) { return path_in(body, Path::kAsked); }

std::uintptr_t label_object(std::uintptr_t body) {
  std::uintptr_t label = 0;
  return read_at(body + kBodyLabel, label) ? label : 0;
}

std::uint32_t line_at(const Layout& layout, std::uintptr_t body, std::int32_t position) {
  const std::uintptr_t lines = body + layout.body_lines;
  std::uint32_t line = 0;
  if (position >= 0 && can_read(lines, kLinesTable + sizeof(std::uintptr_t))) {
    line = line_in(lines, static_cast<std::uint32_t>(position));
  }
  return line != 0 ? line : first_line_of(layout, body);
}

std::uint64_t word_of(const Layout& layout, const Frame& frame) {
  std::uint32_t function = functions::find(frame.identity);
  if (function == 0) {
    function = add(layout, frame);
    if (function == 0) {
      return recording::function_frame(0, 0);
    }
  }
  const auto position = static_cast<std::uint32_t>(frame.position);
  std::uint32_t line = 0;
  if (!functions::known_line(function, position, line)) {
    line = line_at(layout, frame.body, frame.position);
    functions::remember_line(function, position, line);
  }
  return recording::function_frame(function, line);
}

}  // namespace lamprey::preload::stack::ruby
