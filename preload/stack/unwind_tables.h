// Reads a module's unwind tables (.eh_frame_hdr, .eh_frame): for one code address, where the
// caller's frame, frame pointer and return address are. Nothing here walks a stack or knows
// modules.
//
// Why not libunwind: it opens a pipe, makes three system calls for each frame that it guesses, maps
// memory and 262 KB of cache for every thread, blocks signals around its lock and takes the
// loader's (docs/sampling.md has the list). What a sampled stack needs of DWARF is this page and
// unwind.cpp.
//
// The tables are trusted no further than their bounds: every read is checked against the segment
// that holds them, every loop has an end. No call of libc, no allocation, no lock; any thread, any
// signal handler.
#pragma once

#include <cstddef>
#include <cstdint>

#include "preload/base/byte_cursor.h"

namespace lamprey::preload::stack::unwind {

// The loaded segment in which a module's tables lie; `header` is its .eh_frame_hdr.
struct Tables {
  const std::uint8_t* header = nullptr;  // nullptr: the module has none
  const std::uint8_t* begin = nullptr;
  const std::uint8_t* end = nullptr;
};

// Registers of which this is told, by their DWARF numbers.
#if defined(__x86_64__)
inline constexpr std::uint64_t kFrameRegister = 6;    // rbp
inline constexpr std::uint64_t kStackRegister = 7;    // rsp
inline constexpr std::uint64_t kReturnRegister = 16;  // the caller's rip
#elif defined(__aarch64__)
inline constexpr std::uint64_t kFrameRegister = 29;
inline constexpr std::uint64_t kStackRegister = 31;
inline constexpr std::uint64_t kReturnRegister = 30;  // lr
#endif

// How the caller's value of a register is found. CFA: the stack pointer before the call.
struct Rule {
  enum class Kind : std::uint8_t {
    kSame,        // it still holds the caller's value
    kUndefined,   // there is no caller's value: for the return address, the end of the stack
    kAt,          // in memory, at CFA + offset
    kIs,          // CFA + offset
    kAtComputed,  // in memory, where `expression` says
    kIsComputed,  // what `expression` says
    kUnknown,     // a rule that this does not follow
  };
  Kind kind = Kind::kSame;
  std::int64_t offset = 0;
  Bytes expression;
};

struct Rules {
  bool cfa_computed = false;
  std::uint64_t cfa_register = 0;  // kFrameRegister or kStackRegister, unless computed
  std::int64_t cfa_offset = 0;
  Bytes cfa_expression;
  Rule frame_pointer;
  Rule return_address;
  bool signal_frame = false;  // what it returns to was interrupted, not calling
};

// False: no table covers `pc`, or it says something that this does not follow.
bool find_rules(const Tables& tables, std::uintptr_t pc, Rules& rules);

// The function whose table covers `pc`: its first byte, and the one behind its last; zeros: none
// does. A function may have several parts, each with a table of its own.
struct Extent {
  std::uintptr_t begin;
  std::uintptr_t end;
};
Extent extent_of(const Tables& tables, std::uintptr_t pc);

}  // namespace lamprey::preload::stack::unwind
