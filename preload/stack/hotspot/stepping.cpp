// See stepping.h.
#include "preload/stack/hotspot/stepping.h"

#include "preload/stack/reading/memory_reads.h"

namespace lamprey::preload::stack::hotspot {
namespace {

constexpr std::uint64_t kWord = sizeof(std::uint64_t);
constexpr std::int32_t kMostFrameWords = 1 << 20;
constexpr std::uintptr_t kLargestFrame = std::uintptr_t{1} << 26;

bool aligned(std::uintptr_t address) { return address % kWord == 0; }

// Where a frame pointer may point that is to be followed.
bool in_reach(std::uintptr_t fp, std::uintptr_t sp, std::uintptr_t end) {
  return aligned(fp) && fp + (2 * kWord) >= sp && fp < sp + kLargestFrame &&
         (end == 0 || fp + (2 * kWord) <= end);
}

bool above(std::uintptr_t sp, std::uintptr_t before, std::uintptr_t end) {
  return aligned(sp) && sp > before && sp - before <= kLargestFrame && (end == 0 || sp <= end);
}

// The frame pointer and the return address side by side, as both platforms' conventions have it.
bool by_frame_pointer(Position& p, std::uintptr_t end) {
  Position up = {0, p.fp + (2 * kWord), 0};
  if (!in_reach(p.fp, p.sp, end) || !above(up.sp, p.sp, end) || !read_at(p.fp, up.fp) ||
      !read_at(p.fp + kWord, up.pc)) {
    return false;
  }
  p = up;
  return true;
}

#if defined(__aarch64__)
// Around a leaf call, generated code leaves its own address on the stack (rt_call in the macro
// assembler's and the AD file's code): "stp; blr" stand before the return address.
constexpr std::uint64_t kBreadcrumb = 0xD63F0100A9BF27FFU;
std::uintptr_t left_on_stack(std::uintptr_t pc) {
  std::uint64_t code = 0;
  return read_at(pc - kWord, code) && code == kBreadcrumb ? 2 * kWord : 0;
}
#else
std::uintptr_t left_on_stack(std::uintptr_t) { return 0; }
#endif

// Compiled code uses the frame pointer's register as any other: the size counts.
bool by_size(std::int32_t words, Position& p, std::uintptr_t end) {
  if (words <= 0 || words > kMostFrameWords) {
    return false;
  }
  Position up = {0, p.sp + left_on_stack(p.pc) + (static_cast<std::uintptr_t>(words) * kWord), 0};
  if (!above(up.sp, p.sp, end) || !read_at(up.sp - (2 * kWord), up.fp) ||
      !read_at(up.sp - kWord, up.pc)) {
    return false;
  }
  p = up;
  return true;
}

bool from_interpreter(Position& p, std::uintptr_t end) {
  Position up = {};
  if (!in_reach(p.fp, p.sp, end) || !read_at(p.fp - kWord, up.sp) || !read_at(p.fp, up.fp) ||
      !read_at(p.fp + kWord, up.pc)) {
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
  p = {returned, sender + kWord, p.fp};
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

bool step_up(const Fields& fields, const Blob& blob, std::uintptr_t end, Position& position) {
  std::int32_t words = 0;
  if (!aligned(position.sp) || !read_at(blob.at + fields.at[kBlobFrameSize], words)) {
    return false;
  }
  switch (blob.kind) {
    case Kind::kCompiled:
    case Kind::kNative:
      return by_size(words, position, end);
    case Kind::kInterpreter:
      return from_interpreter(position, end);
    case Kind::kStubs:
      return words > 0 ? by_size(words, position, end) : by_frame_pointer(position, end);
    case Kind::kAdapter:
      return words > 0 ? by_size(words, position, end) : from_adapter(position, end);
    case Kind::kOther:
      return by_size(words, position, end);
    case Kind::kContinuation:  // what returns there are frames that lie in the heap
    case Kind::kNone:
      return false;
  }
  return false;
}

}  // namespace lamprey::preload::stack::hotspot
