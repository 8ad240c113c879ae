// The few operations on NUL-terminated text that run before, or without, libc. All are pure.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamprey::preload {
inline namespace base {

inline std::size_t length_of(const char* text) {
  std::size_t n = 0;
  while (text[n] != '\0') {
    ++n;
  }
  return n;
}

inline bool equal(const char* a, const char* b) {
  while (*a != '\0' && *a == *b) {
    ++a;
    ++b;
  }
  return *a == *b;
}

// `text` begins with `prefix`.
inline bool starts_with(const char* text, const char* prefix) {
  while (*prefix != '\0') {
    if (*text++ != *prefix++) {
      return false;
    }
  }
  return true;
}

// ASCII only, as HTTP header names and file names of shells are.
inline bool equal_ignoring_case(const char* text, std::size_t length, const char* lower) {
  for (std::size_t i = 0; i < length; ++i) {
    const char c = text[i];
    const char folded = (c >= 'A' && c <= 'Z') ? static_cast<char>(c + ('a' - 'A')) : c;
    if (lower[i] == '\0' || folded != lower[i]) {
      return false;
    }
  }
  return lower[length] == '\0';
}

// Copies at most `capacity - 1` bytes and always ends with NUL. Returns bytes copied.
inline std::size_t copy_text(char* to, std::size_t capacity, const char* from) {
  std::size_t i = 0;
  for (; from != nullptr && from[i] != '\0' && i + 1 < capacity; ++i) {
    to[i] = from[i];
  }
  to[i] = '\0';
  return i;
}

template <std::size_t N>
std::size_t copy_text(char (&to)[N], const char* from) {
  return copy_text(to, N, from);
}

// Leading decimal digits; 0 when there are none. Overflow wraps (the callers' values cannot).
inline std::uint64_t to_number(const char* text) {
  std::uint64_t value = 0;
  for (; *text >= '0' && *text <= '9'; ++text) {
    value = (value * 10) + static_cast<std::uint64_t>(*text - '0');
  }
  return value;
}

// Writes `value` in decimal and NUL; `to` holds at least 21 bytes. Returns its length.
inline std::size_t write_number(char* to, std::uint64_t value) {
  char digits[20];
  std::size_t n = 0;
  do {
    digits[n++] = static_cast<char>('0' + (value % 10));
    value /= 10;
  } while (value != 0);
  for (std::size_t i = 0; i < n; ++i) {
    to[i] = digits[n - 1 - i];
  }
  to[n] = '\0';
  return n;
}

}  // namespace base
}  // namespace lamprey::preload
