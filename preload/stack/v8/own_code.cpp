// See own_code.h.
#include "preload/stack/v8/own_code.h"

#include "preload/base/text.h"
#include "recording/counting.h"

namespace lamprey::preload::stack::v8::own_code {
namespace {

std::uint8_t g_own[recording::kFunctions / 8 + 1];  // bit: number of the function

bool begins(functions::Text text, const char* with) {
  const std::size_t size = length_of(with);
  return text.size >= size && __builtin_memcmp(text.bytes, with, size) == 0;
}

bool holds(functions::Text text, const char* part) {
  for (std::uint32_t at = 0; at < text.size; ++at) {
    if (begins({text.bytes + at, text.size - at}, part)) {
      return true;
    }
  }
  return false;
}

}  // namespace

void note(std::uint32_t function, functions::Text file) {
  if (function == 0 || function > recording::kFunctions || file.size == 0 ||
      begins(file, "node:") || holds(file, "/node_modules/") || holds(file, "/var/runtime/")) {
    return;
  }
  __atomic_fetch_or(&g_own[function / 8], static_cast<std::uint8_t>(1U << (function % 8)),
                    __ATOMIC_RELAXED);
}

bool is_in(const Words& words) {
  for (std::uint32_t i = 0; i < words.depth; ++i) {
    const std::uint64_t word = words.frames[i];
    const std::uint32_t function = recording::function_of(word);
    if (recording::is_function_frame(word) && function <= recording::kFunctions &&
        ((recording::load(g_own[function / 8]) >> (function % 8)) & 1U) != 0) {
      return true;
    }
  }
  return false;
}

void forget_all() {
  for (std::uint8_t& bits : g_own) {
    recording::store(bits, std::uint8_t{0});
  }
}

}  // namespace lamprey::preload::stack::v8::own_code
