// Which methods the code at an address stands for: the compiler's debug information beside it.
//
// Cost: ~10 ns, and ~5 ns an inlined method. Every read is checked. Any thread, any signal handler.
#pragma once

#include "preload/stack/hotspot/code_cache.h"

namespace lamprey::preload::stack::hotspot {

inline constexpr std::int32_t kNoBytecode = -1;  // at a method's entry, or unknown

struct Scope {
  std::uintptr_t method;  // as read: it may be anything
  std::int32_t bytecode;  // offset in the method's code
};

enum class At : bool { kCall, kBetweenCalls };

// The scopes of compiled code at a return address (or between two: of an interrupted frame),
// innermost first: each was inlined into the next. At least the method that the code was compiled
// for.
class Scopes {
 public:
  Scopes(const Fields& fields, const Blob& blob, std::uintptr_t pc, At at = At::kCall);

  bool next(Scope& scope);

 private:
  void begin(const Blob& blob, std::uintptr_t pc, At at);

  const Fields& fields_;
  std::uintptr_t compiled_ = 0;  // the method that the code is of, until it was told
  std::uintptr_t data_ = 0;
  std::uintptr_t methods_ = 0;
  std::int32_t at_ = 0;  // of the next scope, in data_; 0: no more
  int left_;
};

// Where a blob's instructions begin; 0: not to be read.
std::uintptr_t code_begin(const Fields& fields, const Blob& blob);

// Where an interpreter's frame has its method and the bytecode, in words below its frame pointer.
inline constexpr std::uintptr_t kMethodSlot = 3;
#if defined(__x86_64__)
inline constexpr std::uintptr_t kBytecodeSlot = 8;
#else
inline constexpr std::uintptr_t kBytecodeSlot = 9;
#endif

// The method of an interpreter's frame, and where it is in it.
bool interpreted_scope(const Fields& fields, std::uintptr_t fp, Scope& scope);

}  // namespace lamprey::preload::stack::hotspot
