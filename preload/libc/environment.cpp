// Reading and editing the environment block in place. See environment.h.
#include "preload/libc/environment.h"

#include "preload/base/text.h"
#include "recording/place.h"

extern "C" char**
    environ;  // NOLINT(readability-redundant-declaration): not in every libc's headers

namespace lamprey::preload {
inline namespace libc {
namespace {

// What was taken out, whole "NAME=value" strings (they stay where the kernel put them, except
// LD_PRELOAD, which is edited in place and so copied).
constexpr std::size_t kTakenMost = 4;
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

void leave_environment() {
  for (std::size_t i = 0; environ != nullptr && environ[i] != nullptr;) {
    char* entry = environ[i];
    const bool ours = value_in(entry, kTargetVariable) != nullptr ||
                      value_in(entry, kRoleVariable) != nullptr ||
                      value_in(entry, kEnvironmentVariable) != nullptr ||
                      value_in(entry, recording::kDirectoryVariable) != nullptr;
    if (ours && g_taken_count < kTakenMost) {
      g_taken[g_taken_count++] = entry;
      remove_at(i);
    } else if (value_in(entry, kPreloadVariable) != nullptr &&
               !cut_our_library(entry + length_of(kPreloadVariable) + 1)) {
      remove_at(i);
    } else {
      ++i;
    }
  }
}

std::size_t entries_for_exec(char* const* environment) {
  constexpr std::size_t kMax = 8192;  // 64 KB of a thread's stack at most
  std::size_t n = 0;
  while (environment != nullptr && environment[n] != nullptr) {
    if (++n > kMax) {
      return 0;
    }
  }
  return n + g_taken_count + 2;
}

void environment_for_exec(char* const* environment, char** to, char* preload,
                          std::size_t preload_bytes) {
  std::size_t n = 0;
  std::size_t at = copy_text(preload, preload_bytes, kPreloadVariable);
  at += copy_text(preload + at, preload_bytes - at, "=");
  at += copy_text(preload + at, preload_bytes - at, g_our_library);
  for (std::size_t i = 0; environment != nullptr && environment[i] != nullptr; ++i) {
    const char* others = value_in(environment[i], kPreloadVariable);
    if (others == nullptr) {
      to[n++] = environment[i];
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
