// See text.h. The format: CPython's Include/cpython/unicodeobject.h, PEP 393.
#include "preload/stack/python/text.h"

#include "preload/stack/reading/memory_reads.h"

namespace lamprey::preload::stack::python {
namespace {

constexpr std::uint64_t kLongest = std::uint64_t{1} << 32U;

// The word of flags; what one thing is changes with the version, but not where these are.
struct State {
  std::uint32_t word;
  std::uint32_t bytes_of_character() const { return (word >> 2U) & 7U; }  // 1, 2, 4
  bool compact() const { return (word & 0x20U) != 0; }
  bool ascii() const { return (word & 0x40U) != 0; }
};

std::uint32_t character_at(std::uintptr_t at, std::uint32_t bytes) {
  const auto* from = reinterpret_cast<const void*>(at);
  std::uint32_t character = 0;
  switch (bytes) {
    case 1:
      __builtin_memcpy(&character, from, 1);
      break;
    case 2:
      __builtin_memcpy(&character, from, 2);
      break;
    default:
      __builtin_memcpy(&character, from, 4);
      break;
  }
  return character;
}

std::uint32_t put(char* into, std::uint32_t character) {
  constexpr std::uint32_t kReplacement = 0xFFFD;
  if (character > 0x10FFFF || (character >= 0xD800 && character < 0xE000)) {
    character = kReplacement;
  }
  const auto more = [character](unsigned shift) {
    return static_cast<char>(0x80U | ((character >> shift) & 0x3FU));
  };
  if (character < 0x80) {
    into[0] = static_cast<char>(character);
    return 1;
  }
  if (character < 0x800) {
    into[0] = static_cast<char>(0xC0U | (character >> 6U));
    into[1] = more(0);
    return 2;
  }
  if (character < 0x10000) {
    into[0] = static_cast<char>(0xE0U | (character >> 12U));
    into[1] = more(6);
    into[2] = more(0);
    return 3;
  }
  into[0] = static_cast<char>(0xF0U | (character >> 18U));
  into[1] = more(12);
  into[2] = more(6);
  into[3] = more(0);
  return 4;
}

}  // namespace

std::uint32_t read_text(std::uintptr_t text, std::uintptr_t text_type, const Layout& layout,
                        Kept kept, std::uint32_t most, char* into) {
  std::uintptr_t type = 0;
  std::uint64_t length = 0;
  State state = {};
  if (!is_object(text) || !read_at(text + kObjectType, type) || type != text_type ||
      !read_at(text + kObjectSize, length) || !read_at(text + kTextState, state.word)) {
    return 0;
  }
  const std::uint32_t bytes = state.bytes_of_character();
  if (!state.compact() || length > kLongest || (bytes != 1 && bytes != 2 && bytes != 4)) {
    return 0;
  }
  const auto count = static_cast<std::uint32_t>(length < most ? length : most);
  std::uintptr_t at = text + (state.ascii() ? layout.text_ascii : layout.text_other);
  at += kept == Kept::kEnd ? (length - count) * bytes : 0;
  if (count == 0 || !can_read(at, std::size_t{count} * bytes)) {
    return 0;
  }
  std::uint32_t written = 0;
  for (std::uint32_t i = 0; i < count; ++i, at += bytes) {
    written += put(into + written, character_at(at, bytes));
  }
  return written;
}

}  // namespace lamprey::preload::stack::python
