// How the builds of V8 that are known lay out their objects and frames. A build is named by V8's
// own version: it was the same in the first and the newest release of each line of Node.js, on both
// architectures. Offsets are in bytes from an object's start. Plain data.
#pragma once

#include <cstdint>

#include "preload/stack/v8/position_tables.h"

namespace lamprey::preload::stack::v8 {

// Instance types, as Map has them.
struct Types {
  std::uint16_t first_function, last_function;  // of JSFunction; the last is that of constructors
  std::uint16_t shared_function, script, scope_info, map, bytecode_array, code;
  std::uint16_t instructions;  // code in memory begins with such an object
  std::uint16_t fixed_array, byte_array;
  std::uint16_t trusted_byte_array;  // 0: this build has none
  std::uint16_t interpreter_data, async_function, promise, reaction, capability;
};

struct Layout {
  std::int32_t major, minor, build;
  Types types;
  std::uint8_t function_shared, function_context;                  // JSFunction
  std::uint8_t shared_name, shared_script, shared_literal;         // SharedFunctionInfo
  std::uint8_t bytecode_positions, bytecode_first;                 // BytecodeArray
  std::uint8_t code_deopt, code_positions, code_flags, code_size;  // Code
  std::uint8_t code_start;     // where Code keeps the address of its instructions; 0: behind itself
  std::uint8_t code_header;    // bytes before the first instruction
  std::uint8_t baseline_kind;  // of a Code: below it the interpreter's, above it optimised
  std::uint8_t deopt_literals, deopt_inlining;  // indices in the deoptimisation data
  std::uint8_t scope_module;                    // the scope type of a module
  bool scope_starts_in_front;     // ScopeInfo: the position stands before the names, not behind
  std::uint8_t reaction_fulfill;  // PromiseReaction; the promise stands behind it
  bool state_is_short;            // SampleInfo::vm_state has 16 bits
  Bytecodes bytecodes;
};

// nullptr: that build is not known.
const Layout* layout_of(std::int32_t major, std::int32_t minor, std::int32_t build);

}  // namespace lamprey::preload::stack::v8
