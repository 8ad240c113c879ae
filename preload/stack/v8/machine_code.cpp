// See machine_code.h.
#include "preload/stack/v8/machine_code.h"

#include "preload/base/page_probe.h"
#include "preload/stack/v8/runtime.h"
#include "recording/counting.h"

namespace lamprey::preload::stack::v8 {
namespace {

using recording::load;
using recording::store;

constexpr std::uintptr_t kAlignment = 32;  // of a code object's first instruction
constexpr std::uintptr_t kChunk =
    std::uintptr_t{256} * 1024;  // V8's pages: no object reaches over two
constexpr std::uintptr_t kLongest = std::uintptr_t{128} * 1024;  // code that is searched for
constexpr std::size_t kInstructionsCode = 8;  // where such an object has its Code
constexpr std::uint32_t kKindBits = 15;
constexpr std::int32_t kMaxBytes = 1 << 20;

// The map that all instructions in memory have, once one was found.
std::uint64_t g_instructions_map = 0;

// How far below an address its code begins, in units of kAlignment; kNone: there is none. One word
// an entry, so that it is never torn: a tag, and the distance.
constexpr std::uint32_t kKnownCode = 512;
constexpr unsigned kDistanceBits = 16;
constexpr std::uint64_t kDistance = (1U << kDistanceBits) - 1;
constexpr std::uint64_t kNone = kDistance;
std::uint64_t g_known_code[kKnownCode];

bool is_map(const Layout& v8, Word map) {
  const auto current = load(g_instructions_map);
  if (current != 0) {
    return map == current;
  }
  std::uint16_t type = 0;
  Word map_of_map = 0;
  return is_pointer(map) && read_at(map - 1 + kMapType, type) && type == v8.types.instructions &&
         read_at(map - 1, map_of_map) && type_of(map) == v8.types.map;
}

// Whether the code that begins at `start` is one, and holds `pc`.
bool code_from(const Layout& v8, std::uintptr_t start, std::uintptr_t pc, Code& code) {
  const std::uintptr_t object = start - v8.code_header;
  Word map = 0;
  Word described = object + 1;
  if (!read_at(object, map) || !is_map(v8, map) ||
      (v8.code_start != 0 && !read_at(object + kInstructionsCode, described))) {
    return false;
  }
  const std::size_t flags_end = v8.code_flags + sizeof(std::uint32_t);
  const std::size_t size_end = v8.code_size + sizeof(std::uint32_t);
  code.object = Object(described, flags_end > size_end ? flags_end : size_end);
  if (code.object.type() != v8.types.code ||
      (v8.code_start != 0 && code.object.get<std::uintptr_t>(v8.code_start) != start)) {
    return false;
  }
  code.start = start;
  code.size = code.object.get<std::uint32_t>(v8.code_size);
  code.kind = code.object.get<std::uint32_t>(v8.code_flags) & kKindBits;
  if (pc - start > code.size) {
    return false;
  }
  store(g_instructions_map, map);
  return true;
}

bool search(const Layout& v8, std::uintptr_t pc, Code& code) {
  const std::uintptr_t lowest = (pc & ~(kChunk - 1)) + v8.code_header;
  std::uintptr_t page = 0;
  for (std::uintptr_t start = (pc - 1) & ~(kAlignment - 1);
       start >= lowest && pc - start < kLongest; start -= kAlignment) {
    const std::uintptr_t object = start - v8.code_header;
    if (object / page_probe::kPage != page) {
      page = object / page_probe::kPage;
      if (!can_read(object, sizeof(Word))) {
        return false;
      }
    }
    const Word map = *reinterpret_cast<const Word*>(object);
    const Word known = load(g_instructions_map);
    if ((known != 0 ? map == known : is_pointer(map)) && code_from(v8, start, pc, code)) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool code_at(const Reading& reading, std::uintptr_t pc, Code& code) {
  if (in_module(pc)) {
    return false;
  }
  // That there is none holds for the isolate: only its own end takes its builtins away.
  const std::uint64_t hash = mix(reading.isolate, pc);
  std::uint64_t& place = g_known_code[hash % kKnownCode];
  const std::uint64_t there = load(place);
  if (there != 0 && ((there ^ hash) & ~kDistance) == 0) {
    if ((there & kDistance) == kNone) {
      return false;
    }
    const std::uintptr_t start =
        ((pc - 1) & ~(kAlignment - 1)) - ((there & kDistance) * kAlignment);
    if (code_from(reading.v8, start, pc, code)) {
      return true;
    }
  }
  const bool found = search(reading.v8, pc, code);
  const std::uint64_t distance =
      found ? (((pc - 1) & ~(kAlignment - 1)) - code.start) / kAlignment : kNone;
  store(place, (hash & ~kDistance) | distance);
  return found;
}

bool bytes_of(const Layout& v8, Word array, Bytes& bytes) {
  const Object object(array, kArrayFirst);
  const std::int32_t type = object.type();
  if (type == kNoType || (type != v8.types.byte_array && type != v8.types.trusted_byte_array) ||
      !is_smi(object.word(kArrayLength))) {
    return false;
  }
  const std::int32_t length = smi(object.word(kArrayLength));
  const std::uintptr_t first = object.address() + kArrayFirst;
  if (length <= 0 || length > kMaxBytes || !can_read(first, static_cast<std::size_t>(length))) {
    return false;
  }
  bytes.begin = reinterpret_cast<const std::uint8_t*>(first);
  bytes.end = bytes.begin + length;
  return true;
}

}  // namespace lamprey::preload::stack::v8
