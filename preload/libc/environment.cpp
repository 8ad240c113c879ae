// Reading and editing the environment block in place. See environment.h.
#include "preload/libc/environment.h"

#include "preload/base/page_probe.h"
#include "preload/base/text.h"
#include "recording/place.h"

extern "C" char**
    environ;  // NOLINT(readability-redundant-declaration): not in every libc's headers

namespace lamprey::preload {
inline namespace libc {
namespace {

// What was taken out, whole "NAME=value" strings (they stay where the kernel put them, except
// LD_PRELOAD, which is edited in place and so copied).
constexpr std::size_t kTakenMost = 5;
char* g_taken[kTakenMost] = {};
std::size_t g_taken_count = 0;
char g_our_library[1024] = {};

constexpr const char* kOwnLibrary = "liblamprey.so";

const char* value_in(const char* entry, const char* name) {
  while (*name != '\0') {
    if (*entry++ != *name++) {
      return nullptr;
    }
  }
  return *entry == '=' ? entry + 1 : nullptr;
}

void remove_at(std::size_t index) {
  for (std::size_t i = index; environ[i] != nullptr; ++i) {
    environ[i] = environ[i + 1];
  }
}

bool separates(char c) { return c == ':' || c == ' '; }  // ld.so(8)

bool names_our_library(const char* item, std::size_t n) {
  const std::size_t own = length_of(kOwnLibrary);
  if (n < own || (n > own && item[n - own - 1] != '/')) {
    return false;
  }
  for (std::size_t i = 0; i < own; ++i) {
    if (item[n - own + i] != kOwnLibrary[i]) {
      return false;
    }
  }
  return true;
}

// Cuts our library out of the list in place; remembers it. Returns whether anything is left.
bool cut_our_library(char* list) {
  char* to = list;
  const char* from = list;
  while (*from != '\0') {
    std::size_t n = 0;
    while (from[n] != '\0' && !separates(from[n])) {
      ++n;
    }
    if (names_our_library(from, n)) {
      if (n < sizeof(g_our_library)) {
        for (std::size_t i = 0; i < n; ++i) {
          g_our_library[i] = from[i];
        }
        g_our_library[n] = '\0';
      }
    } else if (n > 0) {
      if (to != list) {
        *to++ = ':';
      }
      for (std::size_t i = 0; i < n; ++i) {
        *to++ = from[i];
      }
    }
    from += n;
    from += *from != '\0' ? 1 : 0;
  }
  *to = '\0';
  return to != list;
}

}  // namespace

const char* environment_value(const char* name) {
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const char* value = value_in(*entry, name);
    if (value != nullptr) {
      return value;
    }
  }
  return nullptr;
}

std::size_t own_directory(char* to, std::size_t capacity) {
  for (const char* item = environment_value(kPreloadVariable); item != nullptr && *item != '\0';) {
    std::size_t n = 0;
    while (item[n] != '\0' && !separates(item[n])) {
      ++n;
    }
    const std::size_t directory = n - (names_our_library(item, n) ? length_of(kOwnLibrary) : n);
    if (directory != 0) {
      return directory < capacity ? copy_text(to, directory + 1, item) : 0;
    }
    item += n;
    item += *item != '\0' ? 1 : 0;
  }
  return 0;
}

namespace {

// Takes the variable out, and remembers it.
void take(std::size_t index) {
  if (g_taken_count < kTakenMost) {
    g_taken[g_taken_count++] = environ[index];
  }
  remove_at(index);
}

}  // namespace

void leave_command() {
  for (std::size_t i = 0; environ != nullptr && environ[i] != nullptr;) {
    if (value_in(environ[i], kCommandVariable) != nullptr) {
      take(i);
    } else {
      ++i;
    }
  }
}

void leave_environment() {
  for (std::size_t i = 0; environ != nullptr && environ[i] != nullptr;) {
    char* entry = environ[i];
    const bool ours = value_in(entry, kTargetVariable) != nullptr ||
                      value_in(entry, kRoleVariable) != nullptr ||
                      value_in(entry, kEnvironmentVariable) != nullptr ||
                      value_in(entry, kCommandVariable) != nullptr ||
                      value_in(entry, recording::kDirectoryVariable) != nullptr;
    if (ours) {
      take(i);
    } else if (value_in(entry, kPreloadVariable) != nullptr &&
               !cut_our_library(entry + length_of(kPreloadVariable) + 1)) {
      remove_at(i);
    } else {
      ++i;
    }
  }
}

// What the copy has besides: LD_PRELOAD, the terminator.
constexpr std::size_t kAdded = 2;

std::size_t entries_for_exec(char* const* environment) {
  constexpr std::size_t kMax = 8192;  // 64 KB of a thread's stack at most
  std::size_t n = 0;
  while (environment != nullptr) {
    if (!page_probe::readable(reinterpret_cast<std::uintptr_t>(environment + n), sizeof(char*))) {
      return 0;
    }
    if (environment[n] == nullptr) {
      break;
    }
    if (++n > kMax) {
      return 0;
    }
  }
  return n + kAdded + g_taken_count;
}

// The value of LD_PRELOAD, where `entry` is that; nullptr: it is not, or cannot be read, which the
// kernel may judge.
const char* preload_in(const char* entry) {
  constexpr std::size_t kName = 11;  // with its '='
  if (page_probe::text_length(entry, kName) != kName) {
    return nullptr;
  }
  const char* value = value_in(entry, kPreloadVariable);
  const bool whole =
      value != nullptr && page_probe::text_length(value, kPreloadBytes) != page_probe::kUnreadable;
  return whole ? value : nullptr;
}

void environment_for_exec(char* const* environment, char** to, std::size_t capacity, char* preload,
                          std::size_t preload_bytes) {
  const std::size_t most = capacity - kAdded - g_taken_count;
  std::size_t n = 0;
  std::size_t at = copy_text(preload, preload_bytes, kPreloadVariable);
  at += copy_text(preload + at, preload_bytes - at, "=");
  at += copy_text(preload + at, preload_bytes - at, g_our_library);
  for (std::size_t i = 0; environment != nullptr && i < most; ++i) {
    char* const entry = recording::load(environment[i]);  // once: it may change
    if (entry == nullptr) {
      break;
    }
    const char* others = preload_in(entry);
    if (others == nullptr) {
      to[n++] = entry;
    } else if (*others != '\0') {
      at += copy_text(preload + at, preload_bytes - at, ":");
      at += copy_text(preload + at, preload_bytes - at, others);
    }
  }
  to[n++] = preload;
  for (std::size_t i = 0; i < g_taken_count; ++i) {
    to[n++] = g_taken[i];
  }
  to[n] = nullptr;
}

}  // namespace libc
}  // namespace lamprey::preload
