// See scripts.h. Layout: V8 src/objects/script.tq.
#include "preload/stack/v8/scripts.h"

#include "preload/base/text.h"
#include "preload/stack/v8/strings.h"
#include "recording/counting.h"
#include "recording/functions.h"

namespace lamprey::preload::stack::v8 {
namespace {

using recording::load;
using recording::store;

constexpr std::size_t kSource = 8;
constexpr std::size_t kName = 16;
constexpr std::size_t kLineOffset = 24;
constexpr std::size_t kLineEnds = 56;
constexpr std::size_t kId = 64;
constexpr std::size_t kScriptBytes = 72;

constexpr char kEvaluated[] = "(eval)";
constexpr char kScheme[] = "file://";
constexpr std::uint32_t kSchemeBytes = sizeof(kScheme) - 1;

// Hashes of names, by isolate and number: half a word to tell whose, half a word of hash, so that
// an entry is never torn. 0: none.
constexpr std::uint32_t kScripts = 1024;
constexpr std::uint64_t kUpperHalf = ~std::uint64_t{0xFFFFFFFF};
std::uint64_t g_names[kScripts];

std::uint64_t hash_of_name(Word name) {
  char text[kMaxFileBytes];
  std::uint64_t hash = 1;
  const std::uint32_t size = copy_string(name, 0, text, sizeof(text));
  for (std::uint32_t i = 0; i < size; ++i) {
    hash = mix(hash, static_cast<unsigned char>(text[i]));
  }
  return hash & ~kUpperHalf;
}

// Only 32 bits: but no two scripts have the same number, length and hash by chance.
std::uint64_t name_of(const Script& script, std::uint64_t own) {
  std::uint64_t& place = g_names[own % kScripts];
  const std::uint64_t there = load(place);
  if (there != 0 && ((there ^ own) & kUpperHalf) == 0) {
    return there & ~kUpperHalf;
  }
  const std::uint64_t hash = hash_of_name(script.name);
  store(place, (own & kUpperHalf) | hash);
  return hash;
}

std::int32_t hexadecimal(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

bool read_script(const Layout& v8, std::uint64_t isolate, Word word, Script& script) {
  const Object object(word, kScriptBytes);
  if (object.type() != v8.types.script) {
    return false;
  }
  script.word = word;
  script.name = object.word(kName);
  script.source = object.word(kSource);
  script.line_ends = object.word(kLineEnds);
  const Word offset = object.word(kLineOffset);
  script.line_offset = is_smi(offset) ? smi(offset) : 0;
  // Numbers are an isolate's own. The length of the source tells apart what one thread's isolates
  // had one after the other.
  std::uint32_t length = 0;
  length_of_string(script.source, length);
  const std::uint64_t number = mix(object.word(kId), length);
  const std::uint64_t own = mix(isolate, number);
  script.identity = length_of_string(script.name, length) && length != 0
                        ? mix(number, name_of(script, own))
                        : own;
  return true;
}

std::uint32_t file_of(const Script& script, char (&to)[kMaxFileBytes]) {
  std::uint32_t length = 0;
  if (!length_of_string(script.name, length) || length == 0) {
    return static_cast<std::uint32_t>(copy_text(to, kEvaluated));
  }
  const std::uint32_t from = length > kMaxFileBytes ? length - recording::kMaxSourcePath : 0;
  return path_of_url(to, copy_string(script.name, from, to, kMaxFileBytes));
}

std::uint32_t path_of_url(char* text, std::uint32_t size) {
  if (size <= kSchemeBytes || __builtin_memcmp(text, kScheme, kSchemeBytes) != 0) {
    return size;
  }
  std::uint32_t to = 0;
  for (std::uint32_t from = kSchemeBytes; from < size; ++from) {
    char c = text[from];
    if (c == '%' && size - from > 2) {
      const std::int32_t high = hexadecimal(text[from + 1]);
      const std::int32_t low = hexadecimal(text[from + 2]);
      if (high >= 0 && low >= 0 && (high | low) != 0) {
        c = static_cast<char>((high * 16) + low);
        from += 2;
      }
    }
    text[to++] = c;
  }
  return to;
}

}  // namespace lamprey::preload::stack::v8
