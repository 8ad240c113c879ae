// See stepping.h.
#include "preload/stack/hotspot/stepping.h"

#include "preload/stack/reading/memory_reads.h"

namespace lamprey::preload::stack::hotspot {
namespace {

bool aligned(std::uintptr_t address) { return address % kWord == 0; }

// Where a frame pointer may point that is to be followed.
bool in_reach(std::uintptr_t fp, std::uintptr_t sp, std::uintptr_t end) {
  return aligned(fp) && fp + (2 * kWord) >= sp && fp < sp + kLargestFrame &&
         (end == 0 || fp + (2 * kWord) <= end);
}

// The frame pointer and the return address side by side, as both platforms' conventions have it.
bool by_frame_pointer(Position& p, std::uintptr_t end) {
  Position up = {0, p.fp + (2 * kWord), 0, p.readable};
  if (!in_reach(p.fp, p.sp, end) || !above(up.sp, p.sp, end) || !read_word(p, p.fp, up.fp) ||
      !read_word(p, p.fp + kWord, up.pc)) {
    return false;
  }
  p = up;
  return true;
}

#if defined(__x86_64__)
// The stub that asks whether a compiled method may be entered pushes a word before it makes its
// frame, and stores there how to leave the method, if need be (generate_method_entry_barrier in
// stubGenerator_x86_64.cpp): -1, then, stands where the return address is else.
bool from_stub(Position& p, std::uintptr_t end) {
  constexpr std::uintptr_t kCookie = ~std::uintptr_t{0};
  Position up = p;
  if (!by_frame_pointer(up, end)) {
    return false;
  }
  if (up.pc == kCookie) {
    if (!above(up.sp + kWord, up.sp, end) || !read_word(p, up.sp, up.pc)) {
      return false;
    }
    up.sp += kWord;
  }
  p = up;
  return true;
}
#else
bool from_stub(Position& p, std::uintptr_t end) { return by_frame_pointer(p, end); }
#endif

bool from_interpreter(Position& p, std::uintptr_t end) {
  Position up = {0, 0, 0, p.readable};
  if (!in_reach(p.fp, p.sp, end) || !read_word(p, p.fp - kWord, up.sp) ||
      !read_word(p, p.fp, up.fp) || !read_word(p, p.fp + kWord, up.pc)) {
    return false;
  }
#if defined(__aarch64__)
  // The caller's stack pointer is lowered to its deepest expression stack: it may be below us.
  up.sp = up.sp <= p.fp ? p.fp + (2 * kWord) : up.sp;
#endif
  if (up.sp <= p.fp || !above(up.sp, p.sp, end)) {
    return false;
  }
  p = up;
  return true;
}

#if defined(__x86_64__)
// Between compiled code and the interpreter a frame is met only where the adapter asks the runtime
// to mend its caller (gen_c2i_adapter in sharedRuntime_x86_64.cpp). All registers are saved then:
// the caller's stack pointer is r13's, which points at the return address that rax holds.
bool from_adapter(Position& p, std::uintptr_t end) {
  constexpr std::uintptr_t kSaved = 512;  // behind the vector registers
  constexpr std::uintptr_t kR13 = kSaved + (2 * kWord);
  constexpr std::uintptr_t kRax = kSaved + (15 * kWord);
  std::uintptr_t sender = 0;
  std::uintptr_t returned = 0;
  std::uintptr_t there = 0;
  if (!read_at(p.sp + kR13, sender) || !read_at(p.sp + kRax, returned) ||
      !above(sender + kWord, p.sp, end) || !read_at(sender, there) || there != returned) {
    return false;
  }
  p = {returned, sender + kWord, p.fp, p.readable};
  return true;
}
#else
bool from_adapter(Position& p, std::uintptr_t end) { return by_frame_pointer(p, end); }
#endif

std::uintptr_t handler(const Fields& fields, const Blob& blob, Field pointer, Field offset) {
  std::uintptr_t address = 0;
  std::int32_t distance = 0;
  if (fields.has(pointer)) {
    return read_at(blob.at + fields.at[pointer], address) ? address : 0;
  }
  return fields.has(offset) && read_at(blob.at + fields.at[offset], distance) && distance > 0
             ? blob.at + static_cast<std::uintptr_t>(distance)
             : 0;
}

}  // namespace

std::uintptr_t real_pc(const Fields& fields, const Blob& blob, std::uintptr_t pc,
                       std::uintptr_t sp) {
  if (pc != handler(fields, blob, kDeoptBegin, kDeoptOffset) &&
      pc != handler(fields, blob, kDeoptHandlesBegin, kDeoptHandlesOffset)) {
    return pc;
  }
  std::int32_t where = 0;
  std::int32_t size = 0;
  std::uintptr_t original = 0;
  const bool found = read_at(blob.at + fields.at[kOriginalPc], where) && where >= 0 &&
                     read_at(blob.at + fields.at[kBlobSize], size) && size > 0 &&
                     read_at(sp + static_cast<std::uintptr_t>(where), original) &&
                     original > blob.at && original - blob.at < static_cast<std::uintptr_t>(size);
  return found ? original : pc;
}

bool step_up(Kind kind, std::int32_t words, std::uintptr_t end, Position& position) {
  if (!aligned(position.sp)) {
    return false;
  }
  switch (kind) {
    case Kind::kCompiled:
    case Kind::kNative:
      return step_by_size(words, end, position);
    case Kind::kInterpreter:
      return from_interpreter(position, end);
    case Kind::kStubs:
      return words > 0 ? step_by_size(words, end, position) : from_stub(position, end);
    case Kind::kAdapter:
      return words > 0 ? step_by_size(words, end, position) : from_adapter(position, end);
    case Kind::kOther:
      return step_by_size(words, end, position);
    case Kind::kContinuation:  // what returns there are frames that lie in the heap
    case Kind::kNone:
      return false;
  }
  return false;
}

}  // namespace lamprey::preload::stack::hotspot
