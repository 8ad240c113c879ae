// See functions.h.
#include "preload/stack/reading/functions.h"

#include "preload/process/thread.h"
#include "recording/counting.h"

namespace lamprey::preload::stack {
inline namespace reading {
namespace functions {
namespace {

using recording::kFunctions;
using recording::kFunctionThere;
using recording::load;
using recording::store;

constexpr std::uint32_t kPlaces = 2 * kFunctions;
constexpr std::uint32_t kMaxProbes = 32;
constexpr std::uint32_t kFilePlaces = 2 * recording::kSourceFiles;
constexpr std::uint32_t kLines = 4096;
constexpr unsigned kLineBits = 24;
constexpr std::uint64_t kScatter = 0x9E3779B97F4A7C15U;

// The upper half of an identity, and the number. One word, so that it is never torn. (Two functions
// whose identities share place and upper half are taken for one: one in 2^40 pairs.)
std::uint64_t g_places[kPlaces];
std::uint32_t g_file_places[kFilePlaces];  // index in SourceFile[] + 1, by the hash of the path
std::uint64_t g_lines[kLines];             // a tag, and the line

constexpr std::uint64_t kTag = ~std::uint64_t{0xFFFFFFFF};

std::uint64_t scattered(std::uint64_t value) {
  value *= kScatter;
  return value ^ (value >> 32U);
}

// Room for `size` more of what `used` counts; `most` when there is none.
std::uint32_t take(std::uint32_t& used, std::uint32_t size, std::uint32_t most) {
  if (load(used) + size > most) {
    return most;
  }
  const std::uint32_t at = __atomic_fetch_add(&used, size, __ATOMIC_RELAXED);
  return at <= most - size ? at : most;  // several threads overshot together; a reader clamps
}

// Whether a character of UTF-8 goes on with this byte: no text may be cut before it.
bool goes_on(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

// Where a text that is cut to `size` bytes at its end may end: not inside a character.
std::uint32_t whole_characters(const char* bytes, std::uint32_t size) {
  while (size > 0 && goes_on(bytes[size])) {
    --size;
  }
  return size;
}

std::uint32_t copy(Text text) {
  constexpr std::uint32_t kMax = recording::kFunctionText;
  const std::uint32_t at = take(g_writer.header().function_text_used, text.size, kMax);
  if (at != kMax) {
    __builtin_memcpy(g_writer.function_text() + at, text.bytes, text.size);
  }
  return at;
}

Text end_of(Text path) {
  if (path.size <= recording::kMaxSourcePath) {
    return path;
  }
  const std::uint32_t cut = path.size - recording::kMaxSourcePath;
  std::uint32_t from = cut;
  while (from < path.size && goes_on(path.bytes[from])) {
    ++from;
  }
  return {path.bytes + from, path.size - from};
}

// Touches no page that is clear.
template <class T, std::size_t N>
void clear(T (&places)[N]) {
  for (T& place : places) {
    if (load(place) != 0) {
      store(place, 0);
    }
  }
}

bool same_text(const recording::SourceFile& file, Text path) {
  return file.path_bytes == path.size &&
         __builtin_memcmp(g_writer.function_text() + file.path, path.bytes, path.size) == 0;
}

std::uint32_t add_file(Text path) {
  const std::uint32_t index = take(g_writer.header().source_files_used, 1, recording::kSourceFiles);
  const std::uint32_t at = index != recording::kSourceFiles ? copy(path) : recording::kFunctionText;
  if (at == recording::kFunctionText) {
    return 0;
  }
  recording::SourceFile& file = g_writer.source_file_at(index);
  file.path = at;
  file.path_bytes = static_cast<std::uint16_t>(path.size);
  recording::publish(file.state, std::uint16_t{kFunctionThere});
  return index + 1;
}

// The number of that file, added when it is new; 0: there is no room, or it has no name.
std::uint32_t number_of_file(Text path) {
  path = end_of(path);
  if (path.size == 0) {
    return 0;
  }
  std::uint64_t hash = path.size;
  for (std::uint32_t i = 0; i < path.size; ++i) {
    hash = (hash ^ static_cast<unsigned char>(path.bytes[i])) * kScatter;
    hash ^= hash >> 32U;
  }
  for (std::uint32_t probe = 0; probe < kMaxProbes; ++probe) {
    std::uint32_t& place = g_file_places[(hash + probe) % kFilePlaces];
    const std::uint32_t there = __atomic_load_n(&place, __ATOMIC_ACQUIRE);
    if (there == 0) {
      const std::uint32_t added = add_file(path);
      __atomic_store_n(&place, added, __ATOMIC_RELEASE);
      return added;
    }
    if (same_text(g_writer.source_file_at(there - 1), path)) {
      return there;
    }
  }
  return add_file(path);
}

std::uint32_t fill(recording::Language language, Text name, Text file, std::uint32_t first_line) {
  if (name.size > recording::kMaxFunctionName) {
    name.size = whole_characters(name.bytes, recording::kMaxFunctionName);
  }
  const std::uint32_t index = take(g_writer.header().functions_used, 1, kFunctions);
  const std::uint32_t at = index != kFunctions ? copy(name) : recording::kFunctionText;
  if (at == recording::kFunctionText) {
    return 0;
  }
  recording::Function& function = g_writer.function_at(index);
  function.name = at;
  function.name_bytes = static_cast<std::uint16_t>(name.size);
  function.file = static_cast<std::uint16_t>(number_of_file(file));
  function.first_line = first_line;
  function.language = language;
  recording::publish(function.state, kFunctionThere);
  return index + 1;
}

}  // namespace

std::uint32_t find(std::uint64_t identity) {
  const std::uint64_t hash = scattered(identity);
  for (std::uint32_t probe = 0; probe < kMaxProbes; ++probe) {
    const std::uint64_t there =
        __atomic_load_n(&g_places[(hash + probe) % kPlaces], __ATOMIC_ACQUIRE);
    if (there == 0) {
      return 0;
    }
    if ((there & kTag) == (hash & kTag)) {
      return static_cast<std::uint32_t>(there);
    }
  }
  return 0;
}

std::uint32_t add(std::uint64_t identity, recording::Language language, Text name, Text file,
                  std::uint32_t first_line) {
  const std::uint32_t number = fill(language, name, file, first_line);
  if (number == 0) {
    recording::shared_add(g_writer.header().functions_refused, 1);
    return 0;
  }
  const std::uint64_t hash = scattered(identity);
  for (std::uint32_t probe = 0; probe < kMaxProbes; ++probe) {
    std::uint64_t& place = g_places[(hash + probe) % kPlaces];
    std::uint64_t free = 0;
    if (__atomic_compare_exchange_n(&place, &free, (hash & kTag) | number, false, __ATOMIC_RELEASE,
                                    __ATOMIC_RELAXED)) {
      break;
    }
  }
  return number;
}

bool known_line(std::uint32_t function, std::uint64_t offset, std::uint32_t& line) {
  const std::uint64_t hash = scattered((std::uint64_t{function} << 40U) ^ offset);
  const std::uint64_t there = load(g_lines[hash % kLines]);
  line = static_cast<std::uint32_t>(there & recording::kMaxLines);
  return there != 0 && (there >> kLineBits) == (hash >> kLineBits);
}

void remember_line(std::uint32_t function, std::uint64_t offset, std::uint32_t line) {
  const std::uint64_t hash = scattered((std::uint64_t{function} << 40U) ^ offset);
  line = line <= recording::kMaxLines ? line : 0;
  store(g_lines[hash % kLines], (hash & ~std::uint64_t{recording::kMaxLines}) | line);
}

void forget_all() {
  clear(g_places);
  clear(g_file_places);
  clear(g_lines);
}

}  // namespace functions
}  // namespace reading
}  // namespace lamprey::preload::stack
