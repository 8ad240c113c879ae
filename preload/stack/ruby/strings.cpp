// See strings.h. The format: include/ruby/internal/core/rstring.h.
#include "preload/stack/ruby/strings.h"

#include "preload/stack/reading/memory_reads.h"

namespace lamprey::preload::stack::ruby {
namespace {

constexpr std::uint64_t kLongest = std::uint64_t{1} << 32U;

bool goes_on(unsigned char byte) { return (byte & 0xC0U) == 0x80U; }

// How many bytes the character has that begins there; 0: it is none. Overlong forms, surrogates
// and what is above U+10FFFF are none.
std::uint32_t character_bytes(const unsigned char* at, std::uint32_t left) {
  const unsigned char first = at[0];
  if (first < 0x80) {
    return first == 0 ? 0 : 1;
  }
  const std::uint32_t bytes = first < 0xC2 ? 0U : first < 0xE0 ? 2U : first < 0xF0 ? 3U : 4U;
  if (bytes == 0 || first > 0xF4 || bytes > left) {
    return 0;
  }
  for (std::uint32_t i = 1; i < bytes; ++i) {
    if (!goes_on(at[i])) {
      return 0;
    }
  }
  const unsigned char second = at[1];
  const bool none = (first == 0xE0 && second < 0xA0) || (first == 0xED && second >= 0xA0) ||
                    (first == 0xF0 && second < 0x90) || (first == 0xF4 && second >= 0x90);
  return none ? 0 : bytes;
}

std::uint32_t put_utf8(const unsigned char* from, std::uint32_t size, char* into) {
  std::uint32_t written = 0;
  for (std::uint32_t i = 0; i < size;) {
    const std::uint32_t bytes = character_bytes(from + i, size - i);
    if (bytes == 0) {
      __builtin_memcpy(into + written, kReplacement, kMaxBytesOfByte);
      written += kMaxBytesOfByte;
      ++i;
    } else {
      __builtin_memcpy(into + written, from + i, bytes);
      written += bytes;
      i += bytes;
    }
  }
  return written;
}

}  // namespace

std::uint32_t read_string(const Layout& layout, std::uintptr_t string, Kept kept,
                          std::uint32_t most, char* into) {
  std::uint64_t flags = 0;
  std::uint64_t size = 0;
  std::uintptr_t bytes = string + layout.text_inside;
  if (!is_object(string) || !read_at(string + kObjectFlags, flags) ||
      (flags & kTypeMask) != kTypeString || !read_at(string + kStringBytes, size)) {
    return 0;
  }
  if ((flags & kStringOutside) != 0) {
    if (!read_at(string + kStringPointer, bytes)) {
      return 0;
    }
  } else if (layout.size_in_flags) {
    size = (flags >> kStringSizeShift) & kStringSizeMask;
  }
  if (size == 0 || size > kLongest) {
    return 0;
  }
  auto count = static_cast<std::uint32_t>(size < most ? size : most);
  bytes += kept == Kept::kEnd ? size - count : 0;
  if (!can_read(bytes, count)) {
    return 0;
  }
  const auto* from = reinterpret_cast<const unsigned char*>(bytes);
  while (kept == Kept::kEnd && count < size && count != 0 && goes_on(*from)) {
    ++from;
    --count;
  }
  return put_utf8(from, count, into);
}

}  // namespace lamprey::preload::stack::ruby
