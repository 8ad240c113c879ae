// See code_objects.h.
#include "preload/stack/python/code_objects.h"

#include "preload/process/thread.h"
#include "preload/stack/python/line_tables.h"
#include "preload/stack/python/text.h"
#include "preload/stack/reading/functions.h"
#include "preload/stack/reading/memory_reads.h"

namespace lamprey::preload::stack::python {
namespace {

using recording::load;
using recording::store;

constexpr std::uint64_t kLargestTable = std::uint64_t{64} * 1024;

// Words by what they are made of, direct-mapped. Two threads may store at once, so a place is only
// believed when its halves belong together.
struct Known {
  std::uint64_t key_and_word;  // the one xor the other
  std::uint64_t word;          // 0: nothing is here
};
constexpr std::uint32_t kWords = 4096;
Known g_words[kWords];

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
  char name[kNameCharacters * kMaxBytesOfCharacter];
  char path[kPathCharacters * kMaxBytesOfCharacter];
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

std::uint64_t __attribute__((noinline)) make_word(const Runtime& runtime, const Frame& frame) {
  std::uint32_t function = functions::find(frame.identity);
  if (function == 0) {
    function = add(runtime, frame);
    if (function == 0) {
      return recording::function_frame(0, 0);
    }
  }
  return recording::function_frame(function, find_line(runtime, frame));
}

}  // namespace

std::uint64_t word_of(const Runtime& runtime, const Frame& frame) {
  const std::uint64_t key =
      frame.identity + (static_cast<std::uint32_t>(frame.instruction) * 0x9E3779B97F4A7C15U);
  Known& place = g_words[(key ^ (key >> 32U)) % kWords];
  const std::uint64_t known = load(place.word);
  if (known != 0 && load(place.key_and_word) == (key ^ known)) [[likely]] {
    return known;
  }
  const std::uint64_t word = make_word(runtime, frame);
  if (recording::function_of(word) != 0) {
    store(place.key_and_word, key ^ word);
    store(place.word, word);
  }
  return word;
}

void forget_words() {
  for (Known& place : g_words) {
    if (load(place.word) != 0) {
      store(place.word, 0);
    }
  }
}

}  // namespace lamprey::preload::stack::python
