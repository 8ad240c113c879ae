// Where Ruby keeps what is read of it, by version. Source: vm_core.h, iseq.c, method.h, rstring.h
// and rarray.h of ruby/ruby at each version's tag. What a build has changed shows in the proof
// (proof.h).
#pragma once

#include <cstdint>

namespace lamprey::preload::stack::ruby {

struct Layout {
  std::uint16_t minor;         // of Ruby 3
  std::uint16_t frame_bytes;   // rb_control_frame_t
  std::uint16_t frame_return;  // its jit_return
  std::uint16_t body_lines;    // insns_info in rb_iseq_constant_body
  std::uint16_t text_inside;   // the bytes of a short String, in itself
  bool line_is_object;         // the first line is a Fixnum, else an int
  bool size_in_flags;          // of a short String
};

// From here on Ruby's own stacks show what a rescue, an ensure or an eval runs as the function that
// it stands in, and leave that function's frame out behind the first two.
inline constexpr std::uint16_t kFirstWithParents = 4;

inline constexpr Layout kLayouts[] = {
    {1, 64, 56, 120, 16, true, true},
    {2, 64, 56, 112, 24, false, false},
    {3, 56, 48, 112, 24, false, false},
    {4, 56, 48, 112, 24, false, false},
};

// The same in all of them; bytes.
// rb_execution_context_t
inline constexpr std::uintptr_t kContextStack = 0;                         // the lowest byte
inline constexpr std::uintptr_t kContextStackWords = 8;                    // its size
inline constexpr std::uint64_t kMostStackWords = std::uint64_t{1} << 27U;  // 1 GB
inline constexpr std::uintptr_t kContextFrame = 16;  // the innermost; further out lies higher
inline constexpr std::uintptr_t kContextThread = 48;
inline constexpr std::uintptr_t kContextBytes = 56;
// rb_control_frame_t
inline constexpr std::uintptr_t kFramePc = 0;
inline constexpr std::uintptr_t kFrameIseq = 16;
inline constexpr std::uintptr_t kFrameEp = 32;  // points at the frame's flags
inline constexpr std::uint64_t kFlagFinish = 0x20;
// rb_iseq_t
inline constexpr std::uintptr_t kIseqBody = 16;
// rb_iseq_constant_body
inline constexpr std::uintptr_t kBodyKind = 0;
inline constexpr std::uint32_t kKindRescue = 4;
inline constexpr std::uint32_t kKindEnsure = 5;
inline constexpr std::uint32_t kKindEval = 6;
inline constexpr std::uintptr_t kBodySize = 4;  // in instruction words
inline constexpr std::uintptr_t kBodyCode = 8;
inline constexpr std::uintptr_t kBodyPath = 64;
inline constexpr std::uintptr_t kBodyBaseLabel = 72;  // of the method that a block stands in
inline constexpr std::uintptr_t kBodyLabel = 80;
inline constexpr std::uintptr_t kBodyFirstLine = 88;
inline constexpr std::uintptr_t kBodyParent = 160;  // an iseq; read from kFirstWithParents on
inline constexpr std::uintptr_t kBodyBytes = 152;   // of what is read of it
// iseq_insn_info
inline constexpr std::uintptr_t kLinesEntries = 0;
inline constexpr std::uintptr_t kLinesCount = 16;
inline constexpr std::uintptr_t kLinesTable = 24;
inline constexpr std::uintptr_t kLineEntryBytes = 12;  // the line comes first
// Objects
inline constexpr std::uintptr_t kObjectFlags = 0;
inline constexpr std::uint64_t kTypeMask = 0x1F;
inline constexpr std::uint64_t kTypeString = 0x05;
inline constexpr std::uint64_t kTypeArray = 0x07;
inline constexpr std::uint64_t kTypeInternal = 0x1A;
inline constexpr std::uint64_t kTypeMoved = 0x1E;  // compaction has moved it
inline constexpr unsigned kInternalKind = 12;      // bits of the flags
inline constexpr std::uint64_t kInternalMask = 0xF;
inline constexpr std::uint64_t kInternalIseq = 7;
inline constexpr unsigned kFirstUserFlag = 12;
inline constexpr std::uint64_t kStringOutside = std::uint64_t{1} << (kFirstUserFlag + 1);
inline constexpr unsigned kStringSizeShift = kFirstUserFlag + 2;
inline constexpr std::uint64_t kStringSizeMask = 0x1F;
inline constexpr std::uintptr_t kStringBytes = 16;  // its size
inline constexpr std::uintptr_t kStringPointer = 24;
inline constexpr std::uint64_t kArrayInside = std::uint64_t{1} << (kFirstUserFlag + 1);
inline constexpr std::uintptr_t kArrayInsideItems = 16;
inline constexpr std::uintptr_t kArrayPointer = 32;

}  // namespace lamprey::preload::stack::ruby
