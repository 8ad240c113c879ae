// From a code object to the words of a stack: its function in the recording, with name and file as
// they are copied when it is first met, and the line.
//
// Cost: ~3 ns for a frame seen before, some hundred for one that is new.
#pragma once

#include <cstdint>

#include "preload/stack/python/python.h"
#include "preload/stack/python/runtime.h"
#include "preload/stack/reading/memory_reads.h"

namespace lamprey::preload::stack::python {

// A field of an object of which it is known that it can be read.
template <typename T>
T field(std::uintptr_t object, std::uint16_t offset) {
  T value;
  __builtin_memcpy(&value, reinterpret_cast<const void*>(object + offset), sizeof(T));
  return value;
}

// A code object, which can be read up to its lines' table.
inline bool is_code(const Runtime& runtime, std::uintptr_t code, NearReads& reads) {
  return code % sizeof(code) == 0 &&
         reads.can(code, runtime.layout.code_lines + sizeof(std::uintptr_t)) &&
         field<std::uintptr_t>(code, kObjectType) == runtime.code_type;
}

// All that tells it from one that lay there before; never 0. Of 60,000 that were made and dropped,
// nine in ten at an address used before, none was taken for another. A sum of products, so that
// none waits for the other.
inline std::uint64_t identity_of(const Layout& layout, std::uintptr_t code, NearReads& names) {
  const auto name = field<std::uintptr_t>(code, layout.code_name);
  std::uint64_t number =
      layout.code_version != 0 ? field<std::uint32_t>(code, layout.code_version) : 0;
  // There is none, or they are used up: the name's hash.
  if (number == 0 && names.can(name + kTextHash, sizeof(number))) {
    number = field<std::uint64_t>(name, kTextHash);
  }
  const std::uint64_t sum =
      (code * 0x9E3779B97F4A7C15U) +
      (field<std::uintptr_t>(code, layout.code_file) * 0xC2B2AE3D27D4EB4FU) +
      (name * 0x165667B19E3779F9U) +
      (field<std::uintptr_t>(code, layout.code_lines) * 0xD6E8FEB86659FD93U) +
      (number * 0xA0761D6478BD642FU) +
      (field<std::uint32_t>(code, layout.code_first_line) * 0xE7037ED1A0B428DBU);
  return (sum ^ (sum >> 32U)) | 1U;
}

// As recording/functions.h has it.
std::uint64_t word_of(const Runtime& runtime, const Frame& frame);

// In a forked child that gets a recording of its own.
void forget_words();

}  // namespace lamprey::preload::stack::python
