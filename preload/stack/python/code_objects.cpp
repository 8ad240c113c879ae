// See code_objects.h.
#include "preload/stack/python/code_objects.h"

#include "preload/process/thread.h"
#include "preload/stack/python/line_tables.h"
#include "preload/stack/python/text.h"
#include "preload/stack/reading/functions.h"
#include "preload/stack/reading/memory_reads.h"

namespace lamprey::preload::stack::python {
namespace {

constexpr std::uint64_t kLargestTable = std::uint64_t{64} * 1024;

template <typename T>
T at(std::uintptr_t address) {
  T value;
  __builtin_memcpy(&value, reinterpret_cast<const void*>(address), sizeof(T));
  return value;
}

// All that tells a code object from one that lay there before: of 60,000 that were made and
// dropped, nine in ten at an address used before, none was taken for another. A sum of products, so
// that none waits for the other.
std::uint64_t identity_of(const Layout& layout, std::uintptr_t code) {
  const std::uint64_t version =
      layout.code_version != 0 ? at<std::uint32_t>(code + layout.code_version) : 0;
  const auto name = at<std::uintptr_t>(code + layout.code_name);
  std::uint64_t number = version;
  if (version == 0) {  // the version has none, or they are used up
    if (is_object(name)) {
      read_at(name + kTextHash, number);
    }
  }
  const std::uint64_t sum =
      (code * 0x9E3779B97F4A7C15U) +
      (at<std::uintptr_t>(code + layout.code_file) * 0xC2B2AE3D27D4EB4FU) +
      (name * 0x165667B19E3779F9U) +
      (at<std::uintptr_t>(code + layout.code_lines) * 0xD6E8FEB86659FD93U) +
      (number * 0xA0761D6478BD642FU) +
      (at<std::uint32_t>(code + layout.code_first_line) * 0xE7037ED1A0B428DBU);
  const std::uint64_t identity = sum ^ (sum >> 32U);
  return identity != 0 ? identity : 1;
}

std::uint32_t first_line_of(const Runtime& runtime, std::uintptr_t code) {
  std::int32_t line = 0;
  return read_at(code + runtime.layout.code_first_line, line) && line > 0
             ? static_cast<std::uint32_t>(line)
             : 0;
}

std::uint32_t add(const Runtime& runtime, const Frame& frame) {
  const Layout& layout = runtime.layout;
  constexpr std::uint32_t kNameCharacters = recording::kMaxFunctionName + 1;  // so a cut is seen
  constexpr std::uint32_t kPathCharacters = recording::kMaxSourcePath + 1;
  char name[kNameCharacters * kMostBytesOfCharacter];
  char path[kPathCharacters * kMostBytesOfCharacter];
  std::uintptr_t named = 0;
  std::uintptr_t filed = 0;
  if (recording::load(g_writer.header().functions_used) >= recording::kFunctions ||
      !read_at(frame.code + layout.code_qualified_name, named) ||
      !read_at(frame.code + layout.code_file, filed)) {
    recording::shared_add(g_writer.header().functions_refused, 1);
    return 0;
  }
  const std::uint32_t name_bytes =
      read_text(named, runtime.text_type, layout, Kept::kStart, kNameCharacters, name);
  const std::uint32_t path_bytes =
      read_text(filed, runtime.text_type, layout, Kept::kEnd, kPathCharacters, path);
  return functions::add(frame.identity, recording::Language::kPython, {name, name_bytes},
                        {path, path_bytes}, first_line_of(runtime, frame.code));
}

std::uint32_t find_line(const Runtime& runtime, const Frame& frame) {
  const std::uint32_t first_line = first_line_of(runtime, frame.code);
  std::uintptr_t table = 0;
  std::uint64_t size = 0;
  if (frame.instruction < 0 || !read_at(frame.code + runtime.layout.code_lines, table) ||
      !is_object(table) || !read_at(table + kObjectSize, size) || size > kLargestTable ||
      size == 0 || !can_read(table + kBytesData, size)) {
    return first_line;
  }
  return line_of({reinterpret_cast<const unsigned char*>(table + kBytesData), size,
                  runtime.layout.minor, first_line},
                 frame.instruction);
}

}  // namespace

bool describe(const Runtime& runtime, std::uintptr_t code, Frame& frame) {
  const Layout& layout = runtime.layout;
  if (!is_object(code) || !can_read(code, layout.code_lines + sizeof(std::uintptr_t)) ||
      at<std::uintptr_t>(code + kObjectType) != runtime.code_type) {
    return false;
  }
  frame.code = code;
  frame.identity = identity_of(layout, code);
  return true;
}

std::uint64_t word_of(const Runtime& runtime, const Frame& frame) {
  std::uint32_t function = functions::find(frame.identity);
  if (function == 0) {
    function = add(runtime, frame);
    if (function == 0) {
      return recording::function_frame(0, 0);
    }
  }
  const auto offset = static_cast<std::uint32_t>(frame.instruction);
  std::uint32_t line = 0;
  if (!functions::known_line(function, offset, line)) {
    line = find_line(runtime, frame);
    functions::remember_line(function, offset, line);
  }
  return recording::function_frame(function, line);
}

}  // namespace lamprey::preload::stack::python
