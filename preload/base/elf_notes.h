// The notes of an ELF segment (PT_NOTE), one after the other: gabi, "Note Section". Pure; reads
// only between `at` and `end`, and stops at the first note that does not fit.
#pragma once

#include <elf.h>

#include <cstddef>
#include <cstdint>

namespace lamprey::preload {
inline namespace base {

struct ElfNote {
  std::uint32_t type;
  const char* name;  // name_bytes of it, the NUL at its end included
  std::uint32_t name_bytes;
  const std::uint8_t* text;
  std::uint32_t text_bytes;
};

// Calls `wanted` with each note until it returns true; returns whether one did.
template <class Wanted>
bool find_note(const std::uint8_t* at, const std::uint8_t* end, Wanted wanted) {
  const auto padded = [](std::uint32_t bytes) {
    return (std::size_t{bytes} + 3) & ~std::size_t{3};
  };
  // Its three words have the same size in files of either class.
  while (at <= end && static_cast<std::size_t>(end - at) >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr header;
    __builtin_memcpy(&header, at, sizeof(header));
    at += sizeof(header);
    const auto left = static_cast<std::size_t>(end - at);
    const std::size_t name = padded(header.n_namesz);
    const std::size_t text = padded(header.n_descsz);
    if (name > left || text > left - name) {
      return false;
    }
    if (wanted(ElfNote{header.n_type, reinterpret_cast<const char*>(at), header.n_namesz, at + name,
                       header.n_descsz})) {
      return true;
    }
    at += name + text;
  }
  return false;
}

// `text` is a literal; its NUL is part of a note's name.
template <std::size_t N>
bool has_name(const ElfNote& note, const char (&text)[N]) {
  return note.name_bytes == N && __builtin_memcmp(note.name, text, N) == 0;
}

}  // namespace base
}  // namespace lamprey::preload
