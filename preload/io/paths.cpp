// Puts paths into one form. See paths.h.
#include "preload/io/paths.h"

#include "preload/base/text.h"

namespace lamprey::preload::io::paths {
namespace {

constexpr std::size_t kNamesOfTop = 3;

// Without a slash at its end; empty: unknown.
char g_root[kBytes];
std::size_t g_root_bytes;

bool is_package_root(const char* name, std::size_t bytes) {
  static constexpr const char* kRoots[] = {"node_modules", "site-packages", "dist-packages"};
  for (const char* root : kRoots) {
    if (bytes == length_of(root) && __builtin_memcmp(name, root, bytes) == 0) {
      return true;
    }
  }
  return false;
}

// Appends the names of `from` to `into`, each with a slash before it.
void append(Path& into, const char* from) {
  while (*from != '\0') {
    while (*from == '/') {
      ++from;
    }
    std::size_t n = 0;
    while (from[n] != '\0' && from[n] != '/') {
      ++n;
    }
    if (n == 2 && from[0] == '.' && from[1] == '.') {
      while (into.bytes > 0 && into.text[--into.bytes] != '/') {
      }
    } else if (n > 0 && !(n == 1 && from[0] == '.')) {
      const std::size_t room = kBytes - 1 - into.bytes;
      if (room < 2) {
        return;
      }
      const std::size_t taken = n < room - 1 ? n : room - 1;
      into.text[into.bytes] = '/';
      __builtin_memcpy(into.text + into.bytes + 1, from, taken);
      into.bytes += taken + 1;
    }
    from += n;
  }
}

std::size_t top_directory(const Path& path) {
  std::size_t last = path.bytes;  // where the last name begins
  while (last > 0 && path.text[last - 1] != '/') {
    --last;
  }
  const std::size_t most = last > 1 ? last - 1 : 1;  // "/" itself for what lies in it
  std::size_t names = 0;
  std::size_t wanted = 0;
  bool in_packages = false;
  for (std::size_t at = 1; at < most;) {
    std::size_t end = at;
    while (end < most && path.text[end] != '/') {
      ++end;
    }
    ++names;
    if (in_packages && names == wanted && path.text[at] == '@') {
      ++wanted;  // a scope: the package is the next name
    }
    if (!in_packages && is_package_root(path.text + at, end - at)) {
      in_packages = true;
      wanted = names + 1;
    }
    if (in_packages ? names == wanted : false) {
      return end;
    }
    at = end + 1;
  }
  if (in_packages) {
    return most;
  }
  const bool below_root = is_below_root(path.text);
  std::size_t end = below_root ? g_root_bytes : 0;
  wanted = below_root ? 1 : kNamesOfTop;
  for (names = 0; end < most && names < wanted; ++names) {
    ++end;
    while (end < most && path.text[end] != '/') {
      ++end;
    }
  }
  return end < most ? end : most;
}

}  // namespace

std::uint64_t hash_of(const char* text, std::size_t bytes) {
  std::uint64_t hash = 0x9E3779B97F4A7C15U ^ bytes;
  while (bytes > 0) {
    std::uint64_t word = 0;
    const std::size_t n = bytes < sizeof(word) ? bytes : sizeof(word);
    __builtin_memcpy(&word, text, n);
    hash = (hash ^ word) * 0xFF51AFD7ED558CCDU;
    hash ^= hash >> 32U;
    text += n;
    bytes -= n;
  }
  return hash != 0 ? hash : 1;
}

bool make(Path& into, const char* base, const char* path) {
  into.bytes = 0;
  if (path == nullptr || *path == '\0' || (*path != '/' && base == nullptr)) {
    return false;
  }
  if (*path != '/') {
    append(into, base);
  }
  append(into, path);
  if (into.bytes == 0) {
    into.text[into.bytes++] = '/';
  }
  into.text[into.bytes] = '\0';
  into.directory_bytes = top_directory(into);
  into.hash = hash_of(into.text, into.bytes);
  into.directory_hash = hash_of(into.text, into.directory_bytes);
  return true;
}

void root_is(const Path& root) { g_root_bytes = root.bytes > 1 ? copy_text(g_root, root.text) : 0; }

bool is_below_root(const char* text) {
  return g_root_bytes != 0 && starts_with(text, g_root) && text[g_root_bytes] == '/';
}

bool is_in_packages(const char* text) {
  while (*text != '\0') {
    std::size_t n = 0;
    while (text[n] != '\0' && text[n] != '/') {
      ++n;
    }
    if (is_package_root(text, n)) {
      return true;
    }
    text += text[n] == '/' ? n + 1 : n;
  }
  return false;
}

bool is_root(const char* text) { return g_root_bytes != 0 && equal(text, g_root); }

}  // namespace lamprey::preload::io::paths
