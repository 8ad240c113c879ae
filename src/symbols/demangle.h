// Symbols as their authors wrote them: C++ (Itanium ABI) and Rust (legacy and v0). Pure text.
//
// Names come from files and are hostile: input and output are bounded, and what does not parse is
// returned as it is.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace lamprey::symbols {

inline constexpr std::size_t kMaxMangled = 1024;  // bytes; longer ones are not demangled

// The function's name without its arguments, hash and clone suffixes:
// "std::vector<int>::push_back", "alloc::raw_vec::finish_grow". `symbol` itself when it is mangled
// by nobody known.
std::string demangle(const std::string& symbol);

// Rust's two forms; nothing when `symbol` is not of that form.
std::optional<std::string> demangle_rust_legacy(std::string_view symbol);  // _ZN...17h<hash>E
std::optional<std::string> demangle_rust_v0(std::string_view symbol);      // _R...

// "a::f<int>(int, char) const" → "a::f<int>"; a name without arguments is returned as it is.
std::string without_arguments(std::string name);

}  // namespace lamprey::symbols
