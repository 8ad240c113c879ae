// Small steps from values to members of JSON that every section of a line takes: units, absent
// figures, long texts. No section and no figure of its own lives here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cloudwatch/json_text.h"

namespace lamprey::cloudwatch {

inline constexpr std::size_t kMaxText = 512;

// Milliseconds with µs resolution.
inline void add_ms(Object& object, const char* key, std::uint64_t ns) {
  object.add_thousandths(key, (ns + 500) / 1000);
}

// Microseconds: whole ones from 100 on. Percentiles are the middle of a bucket 19 % wide; further
// digits of theirs say nothing.
inline void add_us(Object& object, const char* key, std::uint64_t ns) {
  constexpr std::uint64_t kWholeFrom = 100'000;
  object.add_thousandths(key, ns < kWholeFrom ? ns : (ns + 500) / 1000 * 1000);
}

inline std::string cut(const std::string& text, std::size_t most = kMaxText) {
  return text.size() <= most ? text : text.substr(0, most) + "...";
}

template <typename Value>
void put(Object& object, const char* key, const std::optional<Value>& value) {
  if (value) {
    object.add(key, *value);
  }
}

inline void put_ms(Object& object, const char* key, const std::optional<std::uint64_t>& ns) {
  if (ns) {
    add_ms(object, key, *ns);
  }
}

inline void put_text(Object& object, const char* key, const std::string& text) {
  if (!text.empty()) {
    object.add(key, cut(text));
  }
}

}  // namespace lamprey::cloudwatch
