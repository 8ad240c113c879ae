// Which form a symbol has, and the C++ one; see the header. Rust's v0 is in demangle_rust_v0.cpp.
#include "symbols/demangle.h"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>

namespace lamprey::symbols {
namespace {

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// "h" and the 16 hexadecimal digits of Rust's hash.
bool is_hash(std::string_view part) {
  return part.size() == 17 && part[0] == 'h' && is_hex(part.substr(1));
}

// One part of a legacy path: $LT$ and its like, ".." for "::", "_$" where a part begins with "$".
std::optional<std::string> unescape(std::string_view part) {
  static constexpr struct {
    std::string_view escape;
    std::string_view text;
  } kEscapes[] = {{"$SP$", "@"}, {"$BP$", "*"}, {"$RF$", "&"}, {"$LT$", "<"},
                  {"$GT$", ">"}, {"$LP$", "("}, {"$RP$", ")"}, {"$C$", ","}};
  if (part.starts_with("_$")) {
    part.remove_prefix(1);
  }
  std::string text;
  while (!part.empty()) {
    if (part.starts_with("..")) {
      text += "::";
      part.remove_prefix(2);
      continue;
    }
    if (part[0] != '$') {
      text += part[0];
      part.remove_prefix(1);
      continue;
    }
    bool known = false;
    for (const auto& entry : kEscapes) {
      if (part.starts_with(entry.escape)) {
        text += entry.text;
        part.remove_prefix(entry.escape.size());
        known = true;
        break;
      }
    }
    const std::size_t end = known ? 0 : part.find('$', 1);
    if (!known) {  // $u7b$: a character by its number
      if (part.size() < 3 || part[1] != 'u' || end == std::string_view::npos || end > 8 ||
          !is_hex(part.substr(2, end - 2))) {
        return std::nullopt;
      }
      const unsigned long code =
          std::strtoul(std::string(part.substr(2, end - 2)).c_str(), nullptr, 16);
      text += code >= 0x20 && code < 0x7F ? static_cast<char>(code) : '?';
      part.remove_prefix(end + 1);
    }
  }
  return text;
}

std::optional<std::string> demangle_cpp(const std::string& symbol) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status), &std::free);
  return status == 0 && text ? std::optional<std::string>(text.get()) : std::nullopt;
}

// The compiler's own copies: "f.constprop.0", "f.part.1.cold", "f.llvm.123".
std::string_view without_clone(std::string_view symbol) {
  const std::size_t dot = symbol.find('.', 1);
  return dot == std::string_view::npos ? symbol : symbol.substr(0, dot);
}

}  // namespace

std::optional<std::string> demangle_rust_legacy(std::string_view symbol) {
  if (!symbol.starts_with("_ZN")) {
    return std::nullopt;
  }
  symbol.remove_prefix(3);
  std::string path;
  std::string_view last;
  while (!symbol.empty() && symbol[0] != 'E') {
    std::size_t length = 0;
    while (!symbol.empty() && symbol[0] >= '0' && symbol[0] <= '9' && length <= kMaxMangled) {
      length = (length * 10) + static_cast<std::size_t>(symbol[0] - '0');
      symbol.remove_prefix(1);
    }
    if (length == 0 || length > symbol.size()) {
      return std::nullopt;
    }
    if (!last.empty()) {
      const auto text = unescape(last);
      if (!text) {
        return std::nullopt;
      }
      path += (path.empty() ? "" : "::") + *text;
    }
    last = symbol.substr(0, length);
    symbol.remove_prefix(length);
  }
  return !symbol.empty() && !path.empty() && is_hash(last) ? std::optional(path) : std::nullopt;
}

std::string without_arguments(std::string name) {
  static constexpr std::string_view kQualifiers[] = {" const", " volatile", "&"};
  std::size_t end = name.size();
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view qualifier : kQualifiers) {
      if (std::string_view(name).substr(0, end).ends_with(qualifier)) {
        end -= qualifier.size();
        again = true;
      }
    }
  }
  if (end == 0 || name[end - 1] != ')') {
    return name;
  }
  int depth = 0;
  for (std::size_t at = end; at-- > 0;) {
    depth += name[at] == ')' ? 1 : 0;
    depth -= name[at] == '(' ? 1 : 0;
    if (depth == 0) {
      // "(anonymous namespace)" at the start, or "operator()" itself, are no arguments.
      const bool is_operator = std::string_view(name).substr(0, at).ends_with("operator");
      if (at != 0 && !(is_operator && at + 2 == end)) {
        name.resize(at);
      }
      return name;
    }
  }
  return name;
}

std::string demangle(const std::string& symbol) {
  if (symbol.size() > kMaxMangled) {
    return symbol;
  }
  const std::string_view plain = without_clone(symbol);
  if (symbol.starts_with("_R")) {
    return demangle_rust_v0(plain).value_or(symbol);
  }
  if (!symbol.starts_with("_Z")) {
    return symbol;
  }
  // Rust's escapes hold dots: its hash tells it from C++, and what follows it is a clone's suffix.
  if (const auto rust = demangle_rust_legacy(symbol)) {
    return *rust;
  }
  const auto text = demangle_cpp(std::string(plain));
  return text ? without_arguments(*text) : symbol;
}

}  // namespace lamprey::symbols
