// One step up from a frame in HotSpot's code cache. The frame is at a call: pc is a return address.
// Java's own rules, no unwind table: the size of a compiled frame is written beside its code, the
// interpreter and some stubs keep a frame pointer.
//
// Cost: ~8 ns. Reads the stack upwards from the frame, and what code_cache.h finds; each read is
// checked. Any thread, any signal handler.
#pragma once

#include "preload/stack/hotspot/code_cache.h"
#include "preload/stack/reading/memory_reads.h"

namespace lamprey::preload::stack::hotspot {

struct Position {
  std::uintptr_t pc;
  std::uintptr_t sp;
  std::uintptr_t fp;
  std::uintptr_t readable;  // the stack up to here can be read; 0: not known
};

// Where code was compiled that has to go on in the interpreter, its return address is that of a
// handler; the real one stands in the frame. `pc`: of a frame of `blob`, with the stack pointer sp.
std::uintptr_t real_pc(const Fields& fields, const Blob& blob, std::uintptr_t pc,
                       std::uintptr_t sp);

inline constexpr std::uint64_t kWord = sizeof(std::uint64_t);

// A word of the stack above its pointer.
[[gnu::always_inline]] inline bool read_word(const Position& p, std::uintptr_t address,
                                             std::uintptr_t& word) {
  if (address < p.sp || address + kWord > p.readable) [[unlikely]] {
    return read_at(address, word);
  }
  word = *reinterpret_cast<const std::uintptr_t*>(address);
  return true;
}

inline constexpr std::uintptr_t kLargestFrame = std::uintptr_t{1} << 26;

// Whether the stack pointer may be that of the caller of a frame whose own is `before`.
inline bool above(std::uintptr_t sp, std::uintptr_t before, std::uintptr_t end) {
  return sp % kWord == 0 && sp > before && sp - before <= kLargestFrame && (end == 0 || sp <= end);
}

#if defined(__aarch64__)
// Around a leaf call, generated code leaves its own address on the stack (rt_call in the macro
// assembler's and the AD file's code): "stp; blr" stand before the return address.
inline constexpr std::uint64_t kBreadcrumb = 0xD63F0100A9BF27FFU;
inline std::uintptr_t left_on_stack(std::uintptr_t pc) {
  std::uint64_t code = 0;
  return read_at(pc - kWord, code) && code == kBreadcrumb ? 2 * kWord : 0;
}
#else
inline std::uintptr_t left_on_stack(std::uintptr_t) { return 0; }
#endif

// Of compiled code, `words` large: it uses the frame pointer's register as any other.
[[gnu::always_inline]] inline bool step_by_size(std::int32_t words, std::uintptr_t end,
                                                Position& p) {
  constexpr std::int32_t kMaxWords = 1 << 20;
  if (words <= 0 || words > kMaxWords) {
    return false;
  }
  const std::uintptr_t sp =
      p.sp + left_on_stack(p.pc) + (static_cast<std::uintptr_t>(words) * kWord);
  std::uintptr_t pc = 0;
  std::uintptr_t fp = 0;
  if (!above(sp, p.sp, end) || !read_word(p, sp - (2 * kWord), fp) ||
      !read_word(p, sp - kWord, pc)) {
    return false;
  }
  p.pc = pc;  // one by one: copied whole, it would wait for what was just stored
  p.sp = sp;
  p.fp = fp;
  return true;
}

// False, and `position` as it was: nothing can be said. `words`: the blob's frame size. `end`: of
// the stack; 0: unknown. (arm64: the new pc may be signed.)
bool step_up(Kind kind, std::int32_t words, std::uintptr_t end, Position& position);

}  // namespace lamprey::preload::stack::hotspot
