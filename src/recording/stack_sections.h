// The sections of a recording that say where something was called from: modules and stacks. What
// the words of a stack mean stands in functions.h. Only plain data lives here.
#pragma once

#include <cstdint>

#include "recording/functions.h"

namespace lamprey::recording {

inline constexpr std::uint32_t kModules = 256;
inline constexpr std::uint32_t kStacks = 2048;
inline constexpr std::uint32_t kMaxDepth = 128;  // frames of a stack

// A file mapped as code. Once `state` says that an entry is there, only `died` changes. An address
// in a stack of generation g belongs to the module that holds it and has born <= g < died.
inline constexpr std::uint32_t kModuleThere = 1;
inline constexpr std::uint32_t kMaxBuildId = 20;

struct Module {
  std::uint64_t start;  // of its lowest mapped byte
  std::uint64_t end;    // behind its highest
  std::uint64_t bias;   // address in the process - address in the file's symbol table
  std::uint32_t state;  // stored last
  std::uint32_t born;   // Header::generation when it was found
  std::uint32_t died;   // Header::generation when another was found in its place; 0: not yet
  std::uint8_t build_id_bytes;
  std::uint8_t build_id[kMaxBuildId];
  char path[195];
};

// Return addresses and functions (functions.h), innermost first, without the library's own frames.
inline constexpr std::uint16_t kStackCut = 1;  // flags: it went on

struct Stack {
  std::uint64_t hash;
  std::uint32_t depth;  // stored last; 0: not finished, or given up
  std::uint16_t flags;
  std::uint16_t generation;  // Header::generation when it was taken, its lower 16 bits
  std::uint32_t first;       // of its frames, in FrameWord[]
  std::uint32_t reserved;
};

static_assert(sizeof(Module) == 256 && sizeof(Stack) == 24);

}  // namespace lamprey::recording
